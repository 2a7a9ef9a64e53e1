//! glommio with its local channel and its semaphore.

use crate::micro::{Runtime, peer::glommio::Glommio};
use crate::sync::{Kit, SyncBench, benches, finish};
use glommio::channels::local_channel::{LocalReceiver, LocalSender, new_bounded};
use glommio::sync::{RwLock, Semaphore};
use std::hint::black_box;
use std::rc::Rc;

/// glommio.
pub const KIT: Kit = Kit {
    name: "glommio",
    about: "local_channel, RwLock as the lock",
    krates: &["glommio"],
    has: |bench| bench != SyncBench::Notify,
    measure: |bench| {
        Glommio::block_on(async move { Glommio::join(Glommio::spawn(run(bench))).await })
    },
};

async fn run(bench: SyncBench) {
    type R = Glommio;
    let send = async |sender: &LocalSender<usize>, message| sender.send(message).await.unwrap();
    let receive = async |receiver: &mut LocalReceiver<usize>| receiver.recv().await.unwrap();
    let figures = match bench {
        SyncBench::MpscPingPong => {
            benches::ping_pong::<R, _, _>(|| new_bounded(1), send, receive).await
        }
        SyncBench::MpscStream => benches::stream::<R, _, _>(new_bounded(64), send, receive).await,
        SyncBench::OneshotSpawn => {
            let send = |sender: LocalSender<_>, number| sender.try_send(number).unwrap();
            let receive = async |receiver: LocalReceiver<_>| receiver.recv().await.unwrap();
            benches::oneshot_spawn::<R, _, _>(|| new_bounded(1), send, receive).await
        }
        SyncBench::Lock => {
            let lock = RwLock::new(0);
            let take = async || *black_box(&lock).write().await.unwrap() += 1;
            let figures = benches::alone(take).await;
            assert_eq!(*lock.read().await.unwrap(), benches::LOCKS);
            figures
        }
        SyncBench::Semaphore => {
            let semaphore = Semaphore::new(1);
            let take = async || drop(black_box(&semaphore).acquire_permit(1).await.unwrap());
            benches::alone(take).await
        }
        SyncBench::Notify => unreachable!("it has none"),
        SyncBench::WaitingForSemaphore => {
            let semaphore = Rc::new(Semaphore::new(0));
            let wait = || {
                let semaphore = Rc::clone(&semaphore);
                ((), async move { drop(semaphore.acquire_permit(1).await) })
            };
            benches::waiting::<R, _, _>(wait).await
        }
        SyncBench::WaitingForOneshot => {
            let wait = || {
                let (sender, receiver) = new_bounded::<usize>(1);
                (sender, async move {
                    let _ = receiver.recv().await;
                })
            };
            benches::waiting::<R, _, _>(wait).await
        }
    };
    finish(bench, &figures);
}
