//! The traits' polls as futures, for the methods of the types here.

use std::{future::poll_fn, io, pin::Pin};

use futures_io::{AsyncRead, AsyncWrite};

pub(super) async fn read<R: AsyncRead + Unpin>(
    reader: &mut R,
    buffer: &mut [u8],
) -> io::Result<usize> {
    poll_fn(|cx| Pin::new(&mut *reader).poll_read(cx, buffer)).await
}

pub(super) async fn write<W: AsyncWrite + Unpin>(
    writer: &mut W,
    buffer: &[u8],
) -> io::Result<usize> {
    poll_fn(|cx| Pin::new(&mut *writer).poll_write(cx, buffer)).await
}

pub(super) async fn write_all<W: AsyncWrite + Unpin>(
    writer: &mut W,
    mut buffer: &[u8],
) -> io::Result<()> {
    while !buffer.is_empty() {
        match write(writer, buffer).await? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            count => buffer = &buffer[count..],
        }
    }
    Ok(())
}

pub(super) async fn flush<W: AsyncWrite + Unpin>(writer: &mut W) -> io::Result<()> {
    poll_fn(|cx| Pin::new(&mut *writer).poll_flush(cx)).await
}

pub(super) async fn close<W: AsyncWrite + Unpin>(writer: &mut W) -> io::Result<()> {
    poll_fn(|cx| Pin::new(&mut *writer).poll_close(cx)).await
}
