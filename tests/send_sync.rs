//! What may go to other threads, and what must not, on purpose.

use std::{error::Error, marker::PhantomData, rc::Rc};

use greenloop::{
    EventLoop, Handle, event_loop, net, queue,
    sync::{self, broadcast, mpsc, oneshot, watch},
    task::{self, AbortHandle, JoinError, JoinHandle},
    time,
};

/// Whether a type implements a trait: an inherent constant, where it exists, is preferred to that
/// of a trait.
macro_rules! implements {
    ($type:ty: $bound:path) => {{
        #[allow(dead_code, reason = "not if the answer is yes")]
        trait Otherwise {
            const IMPLEMENTS: bool = false;
        }
        impl<T: ?Sized> Otherwise for Asked<T> {}
        struct Asked<T: ?Sized>(#[allow(dead_code, reason = "only asked about")] PhantomData<T>);
        #[allow(dead_code, reason = "not if the answer is no")]
        impl<T: ?Sized + $bound> Asked<T> {
            const IMPLEMENTS: bool = true;
        }
        <Asked<$type>>::IMPLEMENTS
    }};
}

macro_rules! assert_send_and_sync {
    ($($type:ty),+ $(,)?) => {$(
        assert!(implements!($type: Send), "{} is not Send", stringify!($type));
        assert!(implements!($type: Sync), "{} is not Sync", stringify!($type));
    )+};
}

macro_rules! assert_neither {
    ($($type:ty),+ $(,)?) => {$(
        assert!(!implements!($type: Send), "{} is Send", stringify!($type));
        assert!(!implements!($type: Sync), "{} is Sync", stringify!($type));
    )+};
}

type NotSend = Rc<()>;
type NotSendFuture = std::future::Ready<NotSend>;
type SendFuture = std::future::Ready<u8>;

#[test]
fn the_question_can_be_answered_both_ways() {
    assert!(implements!(u8: Send));
    assert!(!implements!(NotSend: Send));
}

#[test]
fn the_way_to_a_loop_may_go_anywhere() {
    assert_send_and_sync!(Handle, event_loop::RemoteJoinHandle<u8>, event_loop::Statistics);
    assert!(implements!(Handle: Clone));
}

#[test]
fn a_loop_stays_on_its_thread() {
    assert_neither!(EventLoop, event_loop::Builder);
}

#[test]
fn handles_of_tasks_are_plain_data_whatever_the_output() {
    assert_send_and_sync!(JoinHandle<NotSend>, JoinHandle<*const ()>, AbortHandle, task::Id);
    assert!(implements!(JoinHandle<NotSend>: Unpin));
    assert!(implements!(AbortHandle: Copy));
    assert!(implements!(task::Id: std::hash::Hash));
}

#[test]
fn a_remote_handle_is_not_a_way_around_send() {
    assert_neither!(event_loop::RemoteJoinHandle<NotSend>);
    assert!(implements!(event_loop::RemoteJoinHandle<u8>: Unpin));
}

#[test]
fn errors_may_go_anywhere_and_stay() {
    assert_send_and_sync!(JoinError, time::Elapsed);
    assert!(implements!(JoinError: Error));
    assert!(implements!(time::Elapsed: Error));
}

#[test]
fn waits_for_time_may_go_anywhere_and_need_no_pinning() {
    assert_send_and_sync!(time::Sleep, time::Interval, time::Timeout<SendFuture>);
    assert!(implements!(time::Sleep: Unpin));
    assert!(!implements!(time::Timeout<NotSendFuture>: Send));
}

#[test]
fn sockets_may_go_anywhere() {
    assert_send_and_sync!(net::TcpListener, net::TcpStream);
    assert!(implements!(net::TcpStream: Unpin));
}

#[test]
fn the_futures_of_socket_operations_are_send() {
    fn is_send<T: Send>(_: &T) {}

    #[allow(dead_code, reason = "only compiled")]
    fn futures(listener: &net::TcpListener, stream: &net::TcpStream) {
        is_send(&listener.accept());
        is_send(&stream.read(&mut [0]));
        is_send(&stream.write_all(&[0]));
        is_send(&stream.readable());
        is_send(&net::TcpStream::connect("127.0.0.1:1"));
        is_send(&net::TcpListener::bind("127.0.0.1:0"));
    }
}

#[test]
fn sets_of_tasks_and_tokens_may_go_anywhere() {
    assert_send_and_sync!(task::JoinSet<NotSend>, task::Shield<NotSend>);
    assert!(implements!(task::JoinSet<NotSend>: Unpin));
    assert_send_and_sync!(task::CancellationToken, task::DropGuard, task::Cancelled<'static>);
    assert!(implements!(task::CancellationToken: Clone));
    assert_send_and_sync!(task::TaskInfo, task::WaitsFor, event_loop::Deadlock);
    assert!(implements!(event_loop::Deadlock: Error));
}

#[test]
fn what_belongs_to_the_tasks_of_one_loop_stays_there() {
    assert_neither!(task::TaskGroup<u8>, task::Child<u8>, task::Ready<u8>, task::TimerHandle);
    assert_neither!(task::Deadline, task::Passed, task::DeadlineScope<SendFuture>, task::Context);
    // What went wrong in a group may leave it.
    assert!(implements!(task::GroupError<u8>: Send));
    assert!(implements!(task::GroupError<std::io::Error>: Error));
    assert!(implements!(task::Failure<std::io::Error>: Error));
    assert!(!implements!(task::GroupError<NotSend>: Send));
    assert_send_and_sync!(task::ChildError);
}

#[test]
fn what_combines_futures_is_send_when_they_are() {
    assert_send_and_sync!(task::YieldNow, task::Builder);
    assert!(implements!(task::JoinAll<SendFuture>: Send));
    assert!(implements!(task::TryJoinAll<std::future::Ready<Result<u8, u8>>>: Send));
    assert!(!implements!(task::JoinAll<NotSendFuture>: Send));
    assert!(implements!(task::AsCompleted<SendFuture>: Send));
    assert!(!implements!(task::AsCompleted<NotSendFuture>: Send));
    assert!(implements!(task::WaitFor<'static, NotSend>: Send));
    assert!(implements!(task::JoinAll<std::future::Pending<std::marker::PhantomPinned>>: Unpin));
}

#[test]
fn locks_channels_and_queues_belong_to_the_tasks_of_one_loop() {
    assert_neither!(sync::Mutex<u8>, sync::Lock<'static, u8>);
    assert_neither!(sync::MutexGuard<'static, u8>, sync::OwnedMutexGuard<u8>);
    assert_neither!(sync::RwLock<u8>, sync::Read<'static, u8>, sync::Write<'static, u8>);
    assert_neither!(sync::RwLockReadGuard<'static, u8>, sync::OwnedRwLockReadGuard<u8>);
    assert_neither!(sync::RwLockWriteGuard<'static, u8>, sync::OwnedRwLockWriteGuard<u8>);
    assert_neither!(sync::Semaphore, sync::Acquire<'static>, sync::BoundedSemaphore);
    assert_neither!(sync::SemaphorePermit<'static>, sync::OwnedSemaphorePermit);
    assert_neither!(sync::Event, sync::EventWait<'static>, sync::Condition);
    assert_neither!(sync::Notify, sync::Notified<'static>, sync::OwnedNotified);
    assert_neither!(sync::Barrier, sync::BarrierWait<'static>, sync::OnceCell<u8>);
    assert_neither!(oneshot::Sender<u8>, oneshot::Receiver<u8>);
    assert_neither!(mpsc::Sender<u8>, mpsc::Receiver<u8>, mpsc::WeakSender<u8>);
    assert_neither!(mpsc::UnboundedSender<u8>, mpsc::UnboundedReceiver<u8>);
    assert_neither!(mpsc::Permit<'static, u8>, mpsc::OwnedPermit<u8>);
    assert_neither!(broadcast::Sender<u8>, broadcast::Receiver<u8>, broadcast::WeakSender<u8>);
    assert_neither!(watch::Sender<u8>, watch::Receiver<u8>, watch::Ref<'static, u8>);
    assert_neither!(queue::Queue<u8>, queue::LifoQueue<u8>, queue::PriorityQueue<u8>);
    // What went wrong may be told elsewhere.
    assert_send_and_sync!(sync::TryLockError, sync::AcquireError, sync::TryAcquireError);
    assert_send_and_sync!(sync::ReleasedTooOften, sync::BrokenBarrier, sync::SetError<u8>);
    assert_send_and_sync!(queue::GetError, queue::PutError<u8>, queue::TooManyDone);
}
