//! monoio on io_uring with local-sync, which was made for it.

use crate::micro::{Runtime, peer::monoio::MonoioUring};
use crate::sync::{Kit, SyncBench, benches, finish};
use local_sync::mpsc::bounded::{self, Rx, Tx};
use local_sync::{oneshot, semaphore::Semaphore};
use std::hint::black_box;
use std::rc::Rc;

/// monoio.
pub const KIT: Kit = Kit {
    name: "monoio",
    about: "local-sync",
    krates: &["monoio", "local-sync"],
    has: |bench| !matches!(bench, SyncBench::Lock | SyncBench::Notify),
    measure: |bench| {
        MonoioUring::block_on(
            async move { MonoioUring::join(MonoioUring::spawn(run(bench))).await },
        )
    },
};

async fn run(bench: SyncBench) {
    type R = MonoioUring;
    let send = async |sender: &Tx<usize>, message| sender.send(message).await.ok().unwrap();
    let receive = async |receiver: &mut Rx<usize>| receiver.recv().await.unwrap();
    let figures = match bench {
        SyncBench::MpscPingPong => {
            benches::ping_pong::<R, _, _>(|| bounded::channel(1), send, receive).await
        }
        SyncBench::MpscStream => {
            benches::stream::<R, _, _>(bounded::channel(64), send, receive).await
        }
        SyncBench::OneshotSpawn => {
            let send = |sender: oneshot::Sender<_>, number| sender.send(number).unwrap();
            let receive = async |receiver: oneshot::Receiver<_>| receiver.await.unwrap();
            benches::oneshot_spawn::<R, _, _>(oneshot::channel, send, receive).await
        }
        SyncBench::Semaphore => {
            let semaphore = Semaphore::new(1);
            let take = async || drop(black_box(&semaphore).acquire().await.unwrap());
            benches::alone(take).await
        }
        SyncBench::Lock | SyncBench::Notify => unreachable!("it has none"),
        SyncBench::WaitingForSemaphore => {
            let semaphore = Rc::new(Semaphore::new(0));
            let wait = || {
                let semaphore = Rc::clone(&semaphore);
                ((), async move { drop(semaphore.acquire().await) })
            };
            benches::waiting::<R, _, _>(wait).await
        }
        SyncBench::WaitingForOneshot => {
            let wait = || {
                let (sender, receiver) = oneshot::channel::<usize>();
                (sender, async move { drop(receiver.await) })
            };
            benches::waiting::<R, _, _>(wait).await
        }
    };
    finish(bench, &figures);
}
