//! Every task, green thread or async, has its own value of a `task_local!`.

mod green_support;

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use green_support::{Drops, Log, OnDrop, panic_of, park, run, watch};
use greenloop::{
    green::{self, Builder, Coroutine, Local, Resumed, Wait, Yielder},
    task_local,
};

task_local! {
    /// Counts.
    static COUNT: Cell<u32> = Cell::new(0);
    static NAME: String = String::from("nobody");
    static HELD: RefCell<Vec<Box<dyn FnOnce()>>> = RefCell::default();
}

fn count() -> u32 {
    COUNT.with(|count| {
        count.set(count.get() + 1);
        count.get()
    })
}

#[test]
fn green_threads_and_tasks_have_each_their_own() {
    run(|| {
        assert_eq!(count(), 1);
        let mut handles: Vec<_> = (0..5)
            .map(|_| {
                green::spawn(|| {
                    count();
                    green::yield_now();
                    count();
                    green::yield_now();
                    count()
                })
            })
            .collect();
        handles.extend((0..5).map(|_| {
            greenloop::spawn(async {
                count();
                greenloop::yield_now().await;
                count();
                greenloop::yield_now().await;
                count()
            })
        }));
        for result in green::join_all(handles) {
            assert_eq!(result.unwrap(), 3);
        }
        assert_eq!(count(), 2);
    });
}

/// The program of the notes: each thread sets the student's name, and others read it without having
/// it handed to them.
#[test]
fn the_program_of_the_notes_says_hello_to_each() {
    task_local! {
        static STUDENT: Option<String> = None;
    }

    fn process_student(said: &Log) {
        green::yield_now();
        let student = STUDENT.get().expect("set before");
        let thread = NAME.get();
        said.add(format!("Hello {student} (in {thread})"));
    }

    fn process_thread(student: &str, thread: &str, said: &Log) {
        NAME.set(thread.to_owned());
        STUDENT.set(Some(student.to_owned()));
        green::yield_now();
        process_student(said);
    }

    run(|| {
        let said = Log::new();
        let threads = [("Alice", "Thread-A"), ("Bob", "Thread-B")].map(|(student, name)| {
            let said = said.clone();
            Builder::new().name(name).spawn(move || process_thread(student, name, &said))
        });
        for result in green::join_all(threads) {
            result.unwrap();
        }
        assert_eq!(said, ["Hello Alice (in Thread-A)", "Hello Bob (in Thread-B)"]);
    });
}

#[test]
fn a_child_begins_without_its_parents_value() {
    run(|| {
        NAME.set("parent".to_owned());
        let child = green::spawn(|| {
            let before = NAME.get();
            NAME.set("child".to_owned());
            before
        });
        assert_eq!(child.wait().unwrap(), "nobody");
        assert_eq!(NAME.get(), "parent");
        green::scope(|scope| {
            let child = scope.spawn(|| NAME.get());
            assert_eq!(child.join().unwrap(), "nobody");
        });
    });
}

#[test]
fn a_future_that_a_green_thread_waits_for_has_the_green_threads_value() {
    run(|| {
        NAME.set("waiter".to_owned());
        let name = async {
            greenloop::yield_now().await;
            NAME.get()
        };
        assert_eq!(name.wait(), "waiter");
    });
}

#[test]
fn a_coroutine_has_the_value_of_whoever_resumes_it() {
    run(|| {
        NAME.set("first".to_owned());
        let mut coroutine = Coroutine::new(|yielder: Yielder<'_, (), String>, ()| {
            loop {
                green::yield_now();
                yielder.yield_value(NAME.get());
            }
        });
        assert_eq!(coroutine.resume(()), Resumed::<_, ()>::Yielded("first".to_owned()));
        let other = green::spawn(move || {
            NAME.set("second".to_owned());
            coroutine.resume(())
        });
        assert_eq!(other.wait().unwrap(), Resumed::Yielded("second".to_owned()));
    });
}

#[test]
fn without_a_task_there_is_none() {
    assert!(COUNT.try_with(Cell::get).is_none());
    let text = panic_of(|| COUNT.with(Cell::get));
    assert!(text.contains("needs a running event loop"), "{text}");
}

#[test]
fn the_value_may_be_changed_while_it_is_looked_at() {
    run(|| {
        NAME.set("old".to_owned());
        NAME.with(|name| {
            NAME.set("new".to_owned());
            assert_eq!(name, "old");
            green::yield_now();
            assert_eq!(name, "old");
        });
        assert_eq!(NAME.get(), "new");
    });
}

#[test]
fn what_makes_a_value_may_use_others() {
    task_local! {
        static OUTER: u32 = INNER.get() + 1;
        static INNER: u32 = 6;
    }
    run(|| assert_eq!(OUTER.get(), 7));
}

#[test]
fn values_are_dropped_with_their_green_thread_however_it_ends() {
    run(|| {
        let drops = Drops::new();
        let ends: [fn(); 3] = [|| (), || panic!("no bread"), park];
        for end in ends {
            let before = drops.count();
            let guard = drops.guard();
            let thread = green::spawn(move || {
                HELD.with(|held| held.borrow_mut().push(Box::new(move || drop(guard))));
                green::yield_now();
                end();
            });
            green::yield_now();
            assert_eq!(drops.count(), before);
            green::yield_now();
            let _ = thread.abort_and_wait().wait();
            assert_eq!(drops.count(), before + 1);
        }
    });
}

#[test]
fn a_values_destructor_may_do_much() {
    struct Value(Option<OnDropBox>);
    type OnDropBox = Box<dyn FnOnce()>;
    impl Drop for Value {
        fn drop(&mut self) {
            if let Some(f) = self.0.take() {
                f();
            }
        }
    }
    task_local! {
        static VALUE: RefCell<Value> = RefCell::new(Value(None));
    }

    run(|| {
        let log = Log::new();
        let thread = green::spawn({
            let log = log.clone();
            move || {
                let done: OnDropBox = Box::new(move || {
                    log.add("dropped");
                    drop(green::spawn(move || log.add("spawned")));
                });
                VALUE.with(|value| value.borrow_mut().0 = Some(done));
            }
        });
        thread.wait().unwrap();
        green::yield_now();
        green::yield_now();
        assert_eq!(log, ["dropped", "spawned"]);
    });
}

#[test]
fn a_values_destructor_that_panics_hurts_nobody_else() {
    task_local! {
        static BOMB: Rc<OnDrop<fn()>> = Rc::new(OnDrop::new(|| panic!("in drop")));
    }

    let _watched = watch();
    run(|| {
        let detached = green::spawn(|| BOMB.with(|_| ()));
        drop(detached);
        green::yield_now();
        let held = green::spawn(|| {
            BOMB.with(|_| ());
            7
        });
        assert_eq!(held.wait().unwrap(), 7);
        assert_eq!(green::spawn(|| 7).wait().unwrap(), 7);
    });
}

#[test]
fn a_local_has_a_name_of_its_own() {
    static ONE: Local<u32> = Local::new(|| 1);
    static TWO: Local<u32> = Local::new(|| 1);
    run(|| {
        ONE.set(7);
        assert_eq!((ONE.get(), TWO.get()), (7, 1));
    });
}
