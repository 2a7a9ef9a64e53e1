//! greenloop with its own.

use crate::micro::{Runtime, peer::greenloop::Greenloop};
use crate::sync::{Kit, SyncBench, benches, finish};
use greenloop::sync::{Mutex, Notify, Semaphore, mpsc, oneshot};
use std::hint::black_box;
use std::rc::Rc;

/// greenloop.
pub const KIT: Kit = Kit {
    name: "greenloop",
    about: "sync",
    krates: &["greenloop"],
    has: |_| true,
    measure: |bench| {
        Greenloop::block_on(async move { Greenloop::spawn(run(bench)).await.unwrap() })
    },
};

async fn run(bench: SyncBench) {
    type R = Greenloop;
    let send = async |sender: &mpsc::Sender<usize>, message| sender.send(message).await.unwrap();
    let receive = async |receiver: &mut mpsc::Receiver<usize>| receiver.recv().await.unwrap();
    let figures = match bench {
        SyncBench::MpscPingPong => {
            benches::ping_pong::<R, _, _>(|| mpsc::channel(1), send, receive).await
        }
        SyncBench::MpscStream => benches::stream::<R, _, _>(mpsc::channel(64), send, receive).await,
        SyncBench::OneshotSpawn => {
            let send = |sender: oneshot::Sender<_>, number| sender.send(number).unwrap();
            let receive = async |receiver: oneshot::Receiver<_>| receiver.await.unwrap();
            benches::oneshot_spawn::<R, _, _>(oneshot::channel, send, receive).await
        }
        SyncBench::Lock => {
            let mutex = Mutex::new(0);
            let figures = benches::alone(async || *black_box(&mutex).lock().await += 1).await;
            assert_eq!(mutex.into_inner(), benches::LOCKS);
            figures
        }
        SyncBench::Semaphore => {
            let semaphore = Semaphore::new(1);
            let take = async || drop(black_box(&semaphore).acquire().await.unwrap());
            benches::alone(take).await
        }
        SyncBench::Notify => {
            let wait = async |notify: &Notify| notify.notified().await;
            benches::notify::<R, _>(Notify::new, Notify::notify_one, wait).await
        }
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
