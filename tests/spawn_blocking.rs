//! `spawn_blocking` runs closures on threads of a bounded pool, and nobody waits for them who does
//! not want to.

#[path = "support/own_process.rs"]
mod own_process;
mod support;

use std::{
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
    thread,
    time::Duration,
};

use greenloop::{Handle, task::JoinHandle};
use support::{Drops, OnDrop, hold};

/// As documented: how many threads there are at most, and how long an idle one stays.
const MAX_THREADS: usize = 512;
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// Holds threads up until it is opened.
#[derive(Default)]
struct Barrier {
    open: Mutex<bool>,
    condition: Condvar,
}

impl Barrier {
    fn wait(&self) {
        let open = self.open.lock().unwrap();
        drop(self.condition.wait_while(open, |open| !*open).unwrap());
    }

    fn open(&self) {
        *self.open.lock().unwrap() = true;
        self.condition.notify_all();
    }
}

/// As many closures as there can be threads, so that the next one has to wait.
fn occupy(barrier: &Arc<Barrier>) -> Vec<JoinHandle<()>> {
    let wait = || {
        let barrier = Arc::clone(barrier);
        greenloop::spawn_blocking(move || barrier.wait())
    };
    (0..MAX_THREADS).map(|_| wait()).collect()
}

#[test]
fn a_closure_runs_on_another_thread_while_the_loop_goes_on() {
    greenloop::run(async {
        let (sender, receiver) = mpsc::channel();
        let task = greenloop::spawn_blocking(move || (receiver.recv(), thread::current().id()));
        greenloop::yield_now().await;
        assert!(!task.is_finished());
        sender.send("message").unwrap();
        let (message, there) = task.await.unwrap();
        assert_eq!(message, Ok("message"));
        assert_ne!(there, thread::current().id());
    });
}

#[test]
fn a_panic_arrives_in_the_handle_and_the_pool_goes_on() {
    greenloop::run(async {
        for _ in 0..20 {
            let task = greenloop::spawn_blocking(|| panic!("oh"));
            let id = task.id();
            let error = task.await.unwrap_err();
            assert_eq!(error.to_string(), format!("task {id} panicked: oh"));
            assert_eq!(greenloop::spawn_blocking(|| 1).await.unwrap(), 1);
        }
    });
}

#[test]
fn a_thousand_closures_run_once_each() {
    greenloop::run(async {
        let runs = Arc::new(AtomicUsize::new(0));
        let tasks = (0..1000).map(|number| {
            let runs = Arc::clone(&runs);
            greenloop::spawn_blocking(move || {
                runs.fetch_add(1, SeqCst);
                number
            })
        });
        let outputs = greenloop::join_all(tasks.collect::<Vec<_>>()).await;
        assert!(outputs.into_iter().map(Result::unwrap).eq(0..1000));
        assert_eq!(runs.load(SeqCst), 1000);
    });
}

#[test]
fn closures_that_find_no_thread_wait_in_line() {
    greenloop::run(async {
        let barrier = Arc::new(Barrier::default());
        let occupying = occupy(&barrier);
        let waiting: Vec<_> =
            (0..100).map(|number| greenloop::spawn_blocking(move || number)).collect();
        greenloop::yield_now().await;
        assert!(!waiting.iter().any(JoinHandle::is_finished));
        barrier.open();
        let outputs = greenloop::join_all(waiting).await;
        assert!(outputs.into_iter().map(Result::unwrap).eq(0..100));
        greenloop::join_all(occupying).await;
    });
}

#[test]
fn names_are_looked_up_while_closures_take_all_their_threads() {
    greenloop::run(async {
        let barrier = Arc::new(Barrier::default());
        let occupying = occupy(&barrier);
        greenloop::net::TcpListener::bind("localhost:0").await.unwrap();
        barrier.open();
        greenloop::join_all(occupying).await;
    });
}

#[test]
fn an_abort_takes_back_a_closure_that_has_not_started() {
    greenloop::run(async {
        let (barrier, drops) = (Arc::new(Barrier::default()), Drops::new());
        let occupying = occupy(&barrier);
        let ran = Arc::new(AtomicUsize::new(0));
        let waiting = greenloop::spawn_blocking({
            let (ran, guard) = (Arc::clone(&ran), drops.guard());
            move || {
                let _guard = guard;
                ran.fetch_add(1, SeqCst);
            }
        });
        greenloop::yield_now().await;
        assert!(waiting.abort_and_wait().await.unwrap_err().is_cancelled());
        barrier.open();
        greenloop::join_all(occupying).await;
        while drops.count() == 0 {
            greenloop::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(ran.load(SeqCst), 0);
    });
}

#[test]
fn the_end_of_the_loop_takes_back_a_closure_that_has_not_started() {
    let (barrier, drops) = (Arc::new(Barrier::default()), Drops::new());
    let ran = Arc::new(AtomicUsize::new(0));
    greenloop::run(async {
        drop(occupy(&barrier));
        let (ran, guard) = (Arc::clone(&ran), drops.guard());
        drop(greenloop::spawn_blocking(move || {
            let _guard = guard;
            ran.fetch_add(1, SeqCst);
        }));
    });
    barrier.open();
    while drops.count() == 0 {
        thread::yield_now();
    }
    assert_eq!(ran.load(SeqCst), 0);
}

#[test]
fn a_closure_that_runs_when_it_is_aborted_runs_to_its_end() {
    greenloop::run(async {
        let (started, is_started) = mpsc::channel();
        let (sender, receiver) = mpsc::channel::<()>();
        let (ended, is_ended) = async_channel::bounded(1);
        let drops = Drops::new();
        let guard = drops.guard();
        let task = greenloop::spawn_blocking(move || {
            started.send(()).unwrap();
            receiver.recv().unwrap();
            ended.try_send(()).unwrap();
            guard
        });
        is_started.recv().unwrap();
        assert!(task.abort_and_wait().await.unwrap_err().is_cancelled());
        assert_eq!(drops.count(), 0);
        sender.send(()).unwrap();
        is_ended.recv().await.unwrap();
        while drops.count() == 0 {
            greenloop::sleep(Duration::from_millis(1)).await;
        }
    });
}

#[test]
fn a_closure_whose_handle_is_dropped_runs_to_its_end() {
    greenloop::run(async {
        let (sender, receiver) = async_channel::bounded(1);
        drop(greenloop::spawn_blocking(move || sender.try_send("done").unwrap()));
        assert_eq!(receiver.recv().await, Ok("done"));
    });
}

#[test]
fn a_closure_that_does_not_return_does_not_hold_up_the_end_of_the_loop() {
    let (sender, receiver) = mpsc::channel::<()>();
    let (ended, is_ended) = mpsc::channel();
    greenloop::run(async {
        let (started, is_started) = mpsc::channel();
        drop(greenloop::spawn_blocking(move || {
            started.send(()).unwrap();
            let _ = receiver.recv();
            ended.send(()).unwrap();
        }));
        is_started.recv().unwrap();
    });
    drop(sender);
    is_ended.recv().unwrap();
}

#[test]
fn a_closure_that_does_not_return_does_not_hold_up_the_end_of_the_program() {
    let name = "a_closure_that_does_not_return_does_not_hold_up_the_end_of_the_program";
    own_process::run(name, || {
        greenloop::run(async {
            let (started, is_started) = mpsc::channel();
            drop(greenloop::spawn_blocking(move || {
                started.send(()).unwrap();
                loop {
                    thread::park();
                }
            }));
            is_started.recv().unwrap();
        });
    });
}

#[test]
fn a_closure_may_use_the_loop_through_a_handle() {
    greenloop::run(async {
        let (home, handle) = (thread::current().id(), Handle::current());
        let there = greenloop::spawn_blocking(move || {
            handle.spawn(async { thread::current().id() }).join().unwrap()
        });
        assert_eq!(there.await.unwrap(), home);
    });
}

#[test]
fn a_closure_may_run_a_loop_of_its_own_with_closures_of_its_own() {
    greenloop::run(async {
        let output = greenloop::spawn_blocking(|| {
            greenloop::run(async {
                greenloop::sleep(Duration::from_millis(1)).await;
                greenloop::spawn_blocking(|| "inner").await.unwrap()
            })
        });
        assert_eq!(output.await.unwrap(), "inner");
    });
}

#[test]
fn loops_on_several_threads_share_the_pool() {
    let threads: Vec<_> = (0..4)
        .map(|_| {
            thread::spawn(|| {
                greenloop::run(async {
                    let tasks = (0..50).map(|number| greenloop::spawn_blocking(move || number));
                    let outputs = greenloop::join_all(tasks.collect::<Vec<_>>()).await;
                    assert!(outputs.into_iter().map(Result::unwrap).eq(0..50));
                });
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

#[test]
fn in_a_destructor_at_the_end_of_the_loop_it_is_cancelled() {
    let handle = Arc::new(Mutex::new(None));
    greenloop::run(async {
        let on_drop = OnDrop::new({
            let handle = Arc::clone(&handle);
            move || *handle.lock().unwrap() = Some(greenloop::spawn_blocking(|| 1))
        });
        drop(greenloop::spawn(hold::<_, ()>(on_drop)));
    });
    let task = handle.lock().unwrap().take().expect("the destructor did not panic");
    assert!(support::block_on(task).unwrap_err().is_cancelled());
}

#[test]
fn a_closure_is_a_task_with_an_id_that_is_counted() {
    greenloop::run(async {
        let (sender, receiver) = mpsc::channel::<()>();
        let task = greenloop::spawn_blocking(move || receiver.recv());
        assert_eq!(greenloop::event_loop::statistics().tasks, 2);
        assert_ne!(Some(task.id()), greenloop::task::try_id());
        drop(sender);
        assert!(task.await.unwrap().is_err());
        assert_eq!(greenloop::event_loop::statistics().tasks, 1);
    });
}

#[test]
#[cfg(target_os = "linux")]
fn threads_that_have_nothing_to_do_end_after_a_while() {
    /// How many threads of this process are the pool's.
    fn pool_threads() -> usize {
        let name = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("comm"));
        let tasks = std::fs::read_dir("/proc/self/task").unwrap();
        let names = tasks.filter_map(|task| name(task.unwrap()).ok());
        // The kernel keeps fifteen characters of a name.
        names.filter(|name| name.starts_with("greenloop-block")).count()
    }

    own_process::run("threads_that_have_nothing_to_do_end_after_a_while", || {
        greenloop::run(async {
            let start = std::time::Instant::now();
            let tasks: Vec<_> = (0..3).map(|_| greenloop::spawn_blocking(|| ())).collect();
            greenloop::join_all(tasks).await;
            assert!(pool_threads() >= 1, "those that ran the closures wait for more");
            while pool_threads() > 0 {
                greenloop::sleep(Duration::from_millis(50)).await;
            }
            assert!(start.elapsed() >= KEEP_ALIVE);
            // And a new one is started when it is needed.
            assert_eq!(greenloop::spawn_blocking(|| 1).await.unwrap(), 1);
        });
    });
}
