//! Children in green threads, with the shapes of `std::process`: what waits lets the others run.

mod green_support;

use std::{
    cell::Cell,
    io::{self, BufRead as _, BufReader, Read, Write},
    os::unix::process::ExitStatusExt as _,
    process::Stdio,
    rc::Rc,
    time::{Duration, Instant},
};

use green_support::{own_process, run, watch};
use greenloop::{
    green::{
        self, Wait,
        process::{Child, Command},
    },
    signal::{SignalKind, ctrl_c, signal},
};

const MILLISECOND: Duration = Duration::from_millis(1);

fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

fn sleeper() -> Child {
    Command::new("sleep").arg("1000").kill_on_drop(true).spawn().unwrap()
}

#[test]
fn the_builder_and_the_results_are_those_of_std() {
    run(|| {
        let mut command = Command::new("sh");
        command.arg0("zero").arg("-c").args(["echo $0 $ONE $TWO $PWD", "first"]);
        command.env("ONE", "1").envs([("TWO", "2")]).env_remove("THREE").current_dir("/");
        assert_eq!(command.get_program(), "sh");
        assert_eq!((command.get_args().count(), command.get_envs().count()), (3, 3));
        assert_eq!(command.get_current_dir().unwrap().to_str(), Some("/"));
        assert_eq!(command.output().unwrap().stdout, b"first 1 2 /\n");
        assert_eq!(shell("exit 7").status().unwrap().code(), Some(7));
        let missing = Command::new("/there/is/no/such/program").spawn().unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    });
}

#[test]
fn ten_at_once_take_as_long_as_one() {
    run(|| {
        let start = Instant::now();
        let running = Rc::new(Cell::new(0));
        let threads = (0..10).map(|n| {
            let running = Rc::clone(&running);
            green::spawn(move || {
                running.set(running.get() + 1);
                let status = shell(&format!("sleep 0.2; exit {n}")).status().unwrap();
                // By now all others have begun.
                assert_eq!(running.get(), 10);
                status.code()
            })
        });
        let codes = green::join_all(threads.collect::<Vec<_>>());
        assert!(codes.into_iter().map(Result::unwrap).eq((0..10).map(Some)));
        assert!(start.elapsed() >= Duration::from_millis(200));
    });
}

#[test]
fn the_pipes_read_and_write_as_those_of_std() {
    run(|| {
        let mut cat =
            Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (mut stdin, stdout) = (cat.stdin.take().unwrap(), cat.stdout.take().unwrap());
        let mut lines = BufReader::new(stdout).lines();
        for line in ["one", "two", "three"] {
            writeln!(stdin, "{line}").unwrap();
            stdin.flush().unwrap();
            assert_eq!(lines.next().unwrap().unwrap(), line);
        }
        drop(stdin);
        assert!(lines.next().is_none());
        assert!(cat.wait().unwrap().success());
    });
}

#[test]
fn the_output_of_one_is_the_input_of_another() {
    run(|| {
        let mut first = shell("echo hello").stdout(Stdio::piped()).spawn().unwrap();
        let stdin = Stdio::try_from(first.stdout.take().unwrap()).unwrap();
        let second = Command::new("tr").args(["a-z", "A-Z"]).stdin(stdin).output().unwrap();
        assert_eq!(second.stdout, b"HELLO\n");
        assert!(first.wait().unwrap().success());
    });
}

#[test]
fn a_conversation_gets_stuck_nowhere() {
    run(|| {
        let input = vec![b'x'; 1_000_000];
        let mut child = shell("tee /dev/stderr")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let output = child.communicate(input.clone()).wait().unwrap();
        assert!(output.stdout == input && output.stderr == input && output.status.success());

        let mut command = shell("echo a; echo b >&2; cat");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let output = command.spawn().unwrap().wait_with_output().unwrap();
        assert_eq!((&output.stdout[..], &output.stderr[..]), (&b"a\n"[..], &b"b\n"[..]));
    });
}

#[test]
fn a_time_out_ends_the_wait_and_not_the_child() {
    run(|| {
        let mut child = sleeper();
        assert!(green::timeout(5 * MILLISECOND, || child.wait()).is_err());
        assert_eq!(child.try_wait().unwrap(), None);
        child.kill().unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGKILL));
        assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGKILL));
        child.kill().unwrap();

        let child = sleeper();
        child.send_signal(SignalKind::terminate()).unwrap();
        assert_eq!(child.exited().unwrap().signal(), Some(libc::SIGTERM));
        assert!(child.signal_group(SignalKind::kill()).is_err());
        assert_ne!(child.id(), std::process::id());
    });
}

#[test]
fn an_aborted_green_thread_drops_its_child() {
    run(|| {
        let id = Rc::new(Cell::new(0));
        let thread = green::spawn({
            let id = Rc::clone(&id);
            move || {
                let mut child = sleeper();
                id.set(child.id());
                child.wait()
            }
        });
        green::sleep(MILLISECOND);
        assert!(thread.abort_and_wait().wait().unwrap_err().is_cancelled());
        let stat = format!("/proc/{}/stat", id.get());
        while std::fs::exists(&stat).unwrap() {
            green::sleep(MILLISECOND);
        }
    });
}

#[test]
fn a_destructor_that_cannot_wait_has_an_error() {
    /// Says goodbye.
    struct Polite(Child);

    impl Drop for Polite {
        fn drop(&mut self) {
            let error = self.0.exited().unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        }
    }

    run(|| {
        let thread = green::spawn(|| {
            let _polite = Polite(sleeper());
            panic!("meant");
        });
        assert!(thread.wait().unwrap_err().is_panic());
    });
}

#[test]
fn pipes_go_to_async_code_and_back() {
    run(|| {
        let mut child = shell("echo a; echo b; cat")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = child.stdout.take().unwrap();
        let mut two = [0; 2];
        stdout.read_exact(&mut two).unwrap();
        let task = greenloop::spawn(async move {
            let stdout = stdout.into_async();
            let mut two = [0; 2];
            assert_eq!(stdout.read(&mut two).await.unwrap(), 2);
            (two, stdout)
        });
        let (two, stdout) = task.wait().unwrap();
        assert_eq!(&two, b"b\n");
        child.stdin.take().unwrap().write_all(b"c").unwrap();
        let mut rest = String::new();
        green::process::ChildStdout::from_async(stdout).read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "c");
    });
}

#[test]
fn signals_are_waited_for_and_iterated_over() {
    green_support::own_process::run("signals_are_waited_for_and_iterated_over", || {
        let _watched = watch();
        green::run(|| {
            let mut interrupted = ctrl_c();
            let told = signal(SignalKind::user_defined1()).unwrap();
            let script = format!("kill -INT {0}; kill -USR1 {0}", std::process::id());
            let sender = green::spawn(move || {
                for _ in 0..3 {
                    shell(&script).status().unwrap();
                    green::sleep(MILLISECOND);
                }
            });
            (&mut interrupted).wait().unwrap();
            let mut seen = 0;
            for () in green::iter(told) {
                seen += 1;
                if seen == 3 {
                    break;
                }
            }
            sender.wait().unwrap();
        });
    });
}
