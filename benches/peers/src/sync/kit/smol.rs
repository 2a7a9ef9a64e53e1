//! smol's LocalExecutor with async-channel and async-lock, which it re-exports.

use crate::micro::{Runtime, peer::smol::Smol};
use crate::sync::{Kit, SyncBench, benches, finish};
use smol::channel::{self, Receiver, Sender};
use smol::lock::{Mutex, Semaphore};
use std::hint::black_box;
use std::rc::Rc;

/// smol.
pub const KIT: Kit = Kit {
    name: "smol",
    about: "async-channel, async-lock",
    krates: &["async-channel", "async-lock"],
    has: |bench| bench != SyncBench::Notify,
    measure: |bench| Smol::block_on(async move { Smol::join(Smol::spawn(run(bench))).await }),
};

async fn run(bench: SyncBench) {
    type R = Smol;
    let send = async |sender: &Sender<usize>, message| sender.send(message).await.unwrap();
    let receive = async |receiver: &mut Receiver<usize>| receiver.recv().await.unwrap();
    let figures = match bench {
        SyncBench::MpscPingPong => {
            benches::ping_pong::<R, _, _>(|| channel::bounded(1), send, receive).await
        }
        SyncBench::MpscStream => {
            benches::stream::<R, _, _>(channel::bounded(64), send, receive).await
        }
        SyncBench::OneshotSpawn => {
            let send = |sender: Sender<_>, number| sender.try_send(number).unwrap();
            let receive = async |receiver: Receiver<_>| receiver.recv().await.unwrap();
            benches::oneshot_spawn::<R, _, _>(|| channel::bounded(1), send, receive).await
        }
        SyncBench::Lock => {
            let mutex = Mutex::new(0);
            let figures = benches::alone(async || *black_box(&mutex).lock().await += 1).await;
            assert_eq!(mutex.into_inner(), benches::LOCKS);
            figures
        }
        SyncBench::Semaphore => {
            let semaphore = Semaphore::new(1);
            benches::alone(async || drop(black_box(&semaphore).acquire().await)).await
        }
        SyncBench::Notify => unreachable!("it has none"),
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
                let (sender, receiver) = channel::bounded::<usize>(1);
                (sender, async move {
                    let _ = receiver.recv().await;
                })
            };
            benches::waiting::<R, _, _>(wait).await
        }
    };
    finish(bench, &figures);
}
