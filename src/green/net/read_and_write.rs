//! `std::io::Read` and `Write`, written once for every stream.

/// The traits of a type with a field `shared: Arc<Limited<Async>>`, and of a reference to it.
macro_rules! read_and_write {
    ($Stream:ident, $Async:ty) => {
        $crate::green::net::read_and_write::read_and_write!(impl &$Stream, $Async);
        $crate::green::net::read_and_write::read_and_write!(impl $Stream, $Async);
    };
    (impl $Stream:ty, $Async:ty) => {
        impl std::io::Read for $Stream {
            #[track_caller]
            fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
                self.shared.read(buffer, <$Async>::try_read, <$Async>::read)
            }

            #[track_caller]
            fn read_vectored(
                &mut self,
                buffers: &mut [std::io::IoSliceMut<'_>],
            ) -> std::io::Result<usize> {
                let (now, later) = (<$Async>::try_read_vectored, <$Async>::read_vectored);
                self.shared.read(buffers, now, later)
            }
        }

        impl std::io::Write for $Stream {
            #[track_caller]
            fn write(&mut self, buffer: &[u8]) -> std::io::Result<usize> {
                self.shared.write(buffer, <$Async>::try_write, <$Async>::write)
            }

            #[track_caller]
            fn write_vectored(
                &mut self,
                buffers: &[std::io::IoSlice<'_>],
            ) -> std::io::Result<usize> {
                let (now, later) = (<$Async>::try_write_vectored, <$Async>::write_vectored);
                self.shared.write(buffers, now, later)
            }

            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
    };
}

pub(super) use read_and_write;
