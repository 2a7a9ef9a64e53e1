#![allow(unsafe_code, reason = "sends signals, waits for strangers, and forbids system calls")]
//! A child process is started, talked to and waited for without blocking the loop, and whatever becomes
//! of it, its status is known and nothing of it stays behind.
//!
//! One of the tests runs all the others where there are no descriptors for processes.

use std::{
    cell::Cell,
    io,
    os::unix::process::{CommandExt as _, ExitStatusExt as _},
    process::Stdio,
    rc::Rc,
    task::Poll,
    time::{Duration, Instant},
};

use futures_util::{AsyncReadExt, AsyncWriteExt};
use greenloop::{
    EventLoop,
    process::{Child, Command},
    signal::SignalKind,
    sleep, spawn, timeout,
};

#[path = "support/children.rs"]
mod children;
#[path = "support/limits.rs"]
mod limits;
#[path = "support/own_process.rs"]
mod own_process;
#[path = "support/net.rs"]
mod support;
use children::{descriptors, wait_for_no_children, wait_for_the_end_of};
use support::{pattern, poll_once, run};

const MILLISECOND: Duration = Duration::from_millis(1);

fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

/// A child that ends when it is made to.
fn sleeper() -> Child {
    Command::new("sleep").arg("1000").kill_on_drop(true).spawn().unwrap()
}

/// A child that copies its input to its output.
fn cat() -> Child {
    Command::new("cat")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

#[test]
fn the_status_says_how_the_child_has_ended() {
    run(async {
        for code in [0, 1, 8, 255] {
            let status = shell(&format!("exit {code}")).status().await.unwrap();
            assert_eq!(status.code(), Some(code));
        }
        let status = shell("kill -TERM $$").status().await.unwrap();
        assert_eq!(status.signal(), Some(libc::SIGTERM));
        let status = shell("kill -9 $$").status().await.unwrap();
        assert_eq!(status.signal(), Some(libc::SIGKILL));
    });
}

#[test]
fn the_output_is_all_that_was_written() {
    run(async {
        let output = shell("echo out; echo err >&2; exit 3").output().await.unwrap();
        assert_eq!(output.status.code(), Some(3));
        assert_eq!(output.stdout, b"out\n");
        assert_eq!(output.stderr, b"err\n");
    });
}

#[test]
fn the_builder_says_what_the_child_gets() {
    run(async {
        let mut command = Command::new("sh");
        command.arg0("zero").arg("-c").args(["echo $0 $ONE $TWO $GONE $PWD", "first"]);
        command.env("ONE", "1").envs([("TWO", "2"), ("GONE", "3")]).env_remove("GONE");
        command.current_dir("/");
        assert_eq!(command.get_program(), "sh");
        assert_eq!(command.get_args().count(), 3);
        assert_eq!(command.get_envs().count(), 3);
        assert_eq!(command.get_current_dir().unwrap().to_str(), Some("/"));
        for _ in 0..2 {
            let output = command.output().await.unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), "first 1 2 /\n");
        }
        let output = Command::new("/usr/bin/env").env_clear().env("A", "b").output().await.unwrap();
        assert_eq!(output.stdout, b"A=b\n");
    });
}

#[test]
fn an_output_leaves_the_streams_of_the_next_child_alone() {
    run(async {
        let mut command = Command::new("true");
        command.output().await.unwrap();
        let mut child = command.spawn().unwrap();
        assert!(child.stdin.is_none() && child.stdout.is_none() && child.stderr.is_none());
        child.wait().await.unwrap();

        // What was said counts.
        let mut command = shell("echo heard; echo lost >&2");
        let output = command.stderr(Stdio::null()).output().await.unwrap();
        assert_eq!((&output.stdout[..], &output.stderr[..]), (&b"heard\n"[..], &b""[..]));
    });
}

#[test]
fn the_input_of_an_output_is_empty() {
    run(async {
        assert_eq!(Command::new("cat").output().await.unwrap().stdout, b"");
        // Also if there is a pipe.
        let output = Command::new("cat").stdin(Stdio::piped()).output().await.unwrap();
        assert_eq!(output.stdout, b"");
        assert!(Command::new("cat").stdin(Stdio::piped()).status().await.unwrap().success());
    });
}

#[test]
fn a_program_that_cannot_be_run_is_an_error_and_leaves_nothing() {
    own_process::run("a_program_that_cannot_be_run_is_an_error_and_leaves_nothing", || {
        run(async {
            let before = descriptors();
            for _ in 0..20 {
                let mut command = Command::new("/there/is/no/such/program");
                let missing = command.stdin(Stdio::piped()).output().await.unwrap_err();
                assert_eq!(missing.kind(), io::ErrorKind::NotFound);
                let forbidden = Command::new("/dev/null").status().await.unwrap_err();
                assert_eq!(forbidden.kind(), io::ErrorKind::PermissionDenied);
                let nowhere = Command::new("true").current_dir("/no/such").spawn().unwrap_err();
                assert_eq!(nowhere.kind(), io::ErrorKind::NotFound);
            }
            assert_eq!(descriptors(), before);
            assert_eq!(children::children(), []);
        });
    });
}

#[test]
fn the_loop_goes_on_while_a_child_runs() {
    run(async {
        let mut child = cat();
        let stdin = child.stdin.take();
        // The child ends only after this task has had its turns.
        let other = spawn(async move {
            for _ in 0..20 {
                sleep(MILLISECOND).await;
            }
            drop(stdin);
        });
        let start = Instant::now();
        assert!(child.wait().await.unwrap().success());
        assert!(start.elapsed() >= 20 * MILLISECOND);
        other.await.unwrap();
    });
}

#[test]
fn the_number_is_known_until_the_child_was_waited_for() {
    run(async {
        let mut child = shell("exit 4").spawn().unwrap();
        let id = child.id().unwrap();
        assert_ne!(id, std::process::id());
        wait_for_the_end_of(id);
        assert_eq!(child.id(), Some(id));
        assert_eq!(child.try_wait().unwrap().unwrap().code(), Some(4));
        assert_eq!(child.id(), None);
        for _ in 0..2 {
            assert_eq!(child.wait().await.unwrap().code(), Some(4));
            assert_eq!(child.try_wait().unwrap().unwrap().code(), Some(4));
        }
        // To nobody, and no error.
        child.start_kill().unwrap();
        child.kill().await.unwrap();
        child.send_signal(SignalKind::terminate()).unwrap();
    });
}

#[test]
fn a_child_that_runs_has_no_status_yet() {
    run(async {
        let mut child = sleeper();
        assert_eq!(child.try_wait().unwrap(), None);
        assert!(poll_once(child.exited()).is_pending());
        assert!(timeout(MILLISECOND, child.wait()).await.is_err());
        child.kill().await.unwrap();
        assert_eq!(child.try_wait().unwrap().unwrap().signal(), Some(libc::SIGKILL));
    });
}

#[test]
fn signals_arrive() {
    run(async {
        for kind in [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()] {
            let mut child = sleeper();
            child.send_signal(kind).unwrap();
            assert_eq!(child.wait().await.unwrap().signal(), Some(kind.as_raw_value()));
        }
        let mut child = sleeper();
        let error = child.send_signal(SignalKind::from_raw(1000)).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EINVAL));
        // A stopped child has not ended.
        child.send_signal(SignalKind::stop()).unwrap();
        assert!(timeout(20 * MILLISECOND, child.exited()).await.is_err());
        child.send_signal(SignalKind::resume()).unwrap();
        assert!(timeout(MILLISECOND, child.exited()).await.is_err());
        child.kill().await.unwrap();
    });
}

#[test]
fn a_wait_closes_the_input_first_and_exited_does_not() {
    run(async {
        let mut child = cat();
        assert!(timeout(20 * MILLISECOND, child.exited()).await.is_err());
        assert!(child.wait().await.unwrap().success());
        assert!(child.stdin.is_none());
    });
}

#[test]
fn any_number_may_wait_and_some_may_give_up() {
    run(async {
        let child = Rc::new(sleeper());
        let waiting: Vec<_> = (0..20)
            .map(|_| {
                let child = Rc::clone(&child);
                spawn(async move { child.exited().await.unwrap() })
            })
            .collect();
        sleep(MILLISECOND).await;
        for task in waiting.iter().step_by(3) {
            task.abort();
        }
        child.start_kill().unwrap();
        for (number, task) in waiting.into_iter().enumerate() {
            match task.await {
                Ok(status) => assert_eq!(status.signal(), Some(libc::SIGKILL)),
                Err(error) => assert!(error.is_cancelled() && number % 3 == 0),
            }
        }
        assert!(child.exited().await.is_ok());
    });
}

#[test]
fn hundreds_that_end_at_once_are_all_seen() {
    own_process::run("hundreds_that_end_at_once_are_all_seen", || {
        limits::raise();
        run(async {
            let before = descriptors();
            let statuses = (0..300).map(|n| shell(&format!("exit {}", n % 200)).status());
            let statuses = greenloop::join_all(statuses.collect::<Vec<_>>()).await;
            for (n, status) in statuses.into_iter().enumerate() {
                assert_eq!(status.unwrap().code(), Some(n as i32 % 200));
            }
            assert_eq!(children::children(), []);
            assert_eq!(descriptors(), before);
        });
    });
}

#[test]
fn the_pipes_are_streams() {
    run(async {
        let mut child = cat();
        let mut stdin = child.stdin.take().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        assert!(timeout(MILLISECOND, stdout.read(&mut [0; 8])).await.is_err());
        assert_eq!(stdout.try_read(&mut [0; 8]).unwrap_err().kind(), io::ErrorKind::WouldBlock);

        stdin.write_all(b"one").await.unwrap();
        stdout.readable().await.unwrap();
        let mut text = [0; 3];
        AsyncReadExt::read_exact(&mut stdout, &mut text).await.unwrap();
        assert_eq!(&text, b"one");

        stdin.writable().await.unwrap();
        assert_eq!(stdin.try_write(b"two").unwrap(), 3);
        AsyncWriteExt::write_all(&mut stdin, b" three").await.unwrap();
        AsyncWriteExt::close(&mut stdin).await.unwrap();
        let error = stdin.write(b"four").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        let mut rest = String::new();
        stdout.read_to_string(&mut rest).await.unwrap();
        assert_eq!(rest, "two three");
        assert_eq!(stdout.read(&mut [0]).await.unwrap(), 0);
        assert!(child.wait().await.unwrap().success());
    });
}

#[test]
fn a_cancelled_read_loses_nothing() {
    run(async {
        let mut child = cat();
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        for byte in 0..20 {
            let mut buffer = [0; 8];
            assert!(timeout(MILLISECOND / 4, stdout.read(&mut buffer)).await.is_err());
            stdin.write_all(&[byte]).await.unwrap();
            assert_eq!(stdout.read(&mut buffer).await.unwrap(), 1);
            assert_eq!(buffer[0], byte);
        }
    });
}

#[test]
fn what_was_written_can_be_read_after_the_end() {
    run(async {
        // As much as a pipe holds.
        let mut child = shell("head -c 65536 /dev/zero").stdout(Stdio::piped()).spawn().unwrap();
        assert!(child.wait().await.unwrap().success());
        let mut text = Vec::new();
        child.stdout.take().unwrap().read_to_end(&mut text).await.unwrap();
        assert_eq!(text.len(), 65536);
    });
}

#[test]
fn a_writer_learns_that_its_child_was_killed() {
    run(async {
        let mut child = Command::new("sleep").arg("1000").stdin(Stdio::piped()).spawn().unwrap();
        let stdin = child.stdin.take().unwrap();
        let writer = spawn(async move {
            loop {
                stdin.write_all(&[0; 65536]).await?;
            }
            #[allow(unreachable_code, reason = "says what the errors are")]
            io::Result::Ok(())
        });
        sleep(5 * MILLISECOND).await;
        assert!(!writer.is_finished());
        child.kill().await.unwrap();
        assert_eq!(writer.await.unwrap().unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    });
}

#[test]
fn the_output_of_one_is_the_input_of_another() {
    run(async {
        let mut first = shell("echo hello").stdout(Stdio::piped()).spawn().unwrap();
        let stdout = first.stdout.take().unwrap();
        let mut second = Command::new("tr");
        let second = second.args(["a-z", "A-Z"]).stdin(Stdio::try_from(stdout).unwrap());
        assert_eq!(second.output().await.unwrap().stdout, b"HELLO\n");
        assert!(first.wait().await.unwrap().success());

        // After it was used, and so belonged to the loop.
        let mut first = shell("echo a; echo b").stdout(Stdio::piped()).spawn().unwrap();
        let stdout = first.stdout.take().unwrap();
        let mut line = [0; 2];
        AsyncReadExt::read_exact(&mut &stdout, &mut line).await.unwrap();
        let second = Command::new("cat").stdin(Stdio::try_from(stdout).unwrap()).output();
        assert_eq!(second.await.unwrap().stdout, b"b\n");
        first.wait().await.unwrap();
    });
}

#[test]
fn children_do_not_hold_each_others_pipes_open() {
    run(async {
        let (mut first, second) = (cat(), cat());
        // If `second` had inherited the pipe to `first`, this would never end.
        assert!(first.wait().await.unwrap().success());
        drop(second);
    });
}

#[test]
fn a_conversation_gets_stuck_nowhere() {
    run(async {
        // More than all the pipes hold, in both directions, and twice.
        let input = pattern(3_000_000);
        let mut child = shell("tee /dev/stderr")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let output = child.communicate(input.clone()).await.unwrap();
        assert!(output.status.success());
        assert!(output.stdout == input && output.stderr == input);
        assert!(child.stdin.is_none() && child.stdout.is_none() && child.stderr.is_none());
        assert_eq!(child.id(), None);
    });
}

#[test]
fn ten_conversations_at_once() {
    run(async {
        let conversations: Vec<_> = (0..10)
            .map(|n| async move {
                let input = pattern(200_000 + n);
                let output = cat().communicate(input.clone()).await.unwrap();
                assert!(output.stdout == input);
            })
            .collect();
        greenloop::join_all(conversations).await;
    });
}

#[test]
fn a_child_that_does_not_want_its_input_is_no_error() {
    run(async {
        for script in ["exit 7", "exec 0<&-; sleep 0.02; exit 7", "head -c 1; exit 7"] {
            let mut command = shell(script);
            let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
            let output = child.communicate(vec![b'x'; 1_000_000]).await.unwrap();
            assert_eq!(output.status.code(), Some(7), "{script}");
        }
    });
}

#[test]
fn input_for_which_there_is_no_pipe_is_an_error() {
    run(async {
        let mut child = Command::new("true").spawn().unwrap();
        let error = child.communicate("lost").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        // No input needs none.
        let output = child.communicate("").await.unwrap();
        assert!(output.status.success() && output.stdout.is_empty());
    });
}

#[test]
fn a_conversation_that_was_given_up_is_taken_up_again_without_loss() {
    run(async {
        let mut child = shell("for n in 1 2 3 4 5; do echo $n; sleep 0.02; done; cat")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = pattern(1_000_000);
        let mut talk = child.communicate(input.clone());
        let mut given_up = 0;
        let output = loop {
            match timeout(5 * MILLISECOND, &mut talk).await {
                Ok(output) => break output.unwrap(),
                Err(_) => given_up += 1,
            }
            assert!(b"1\n2\n3\n4\n5\n".starts_with(talk.stdout()) || talk.stdout().len() > 10);
        };
        assert!(given_up > 0);
        assert!(output.stdout == [&b"1\n2\n3\n4\n5\n"[..], &input].concat());
    });
}

#[test]
fn a_grandchild_that_holds_the_pipes_open_wedges_nothing() {
    own_process::run("a_grandchild_that_holds_the_pipes_open_wedges_nothing", || {
        let script = "sleep 1000 & echo $!; echo err >&2";
        run(async {
            let before = descriptors();
            // With a grace the output is what was written until then.
            let mut command = shell(script);
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
            for grace in [Duration::ZERO, 30 * MILLISECOND] {
                let mut child = command.spawn().unwrap();
                let start = Instant::now();
                let output = child.communicate("").grace(grace).await.unwrap();
                assert!(start.elapsed() >= grace);
                assert!(output.status.success());
                assert_eq!(output.stderr, b"err\n");
                end_grandchild(&output.stdout);
            }
            // And a time-out ends the wait as well, with the child.
            let mut command = shell("sleep 1000 & echo $! >&2; wait");
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
            let mut child = command.spawn().unwrap();
            let mut talk = child.communicate("").grace(Duration::ZERO);
            assert!(timeout(50 * MILLISECOND, &mut talk).await.is_err());
            talk.child().start_kill().unwrap();
            let output = talk.await.unwrap();
            assert_eq!(output.status.signal(), Some(libc::SIGKILL));
            end_grandchild(&output.stderr);

            let mut command = shell("sleep 10 & wait");
            let wait = command.kill_on_drop(true).output();
            assert!(timeout(20 * MILLISECOND, wait).await.is_err());
            wait_for_no_children_in_loop().await;
            assert_eq!(descriptors(), before);
        });
    });
}

/// Ends the process whose number is the text.
#[track_caller]
fn end_grandchild(text: &[u8]) {
    end(std::str::from_utf8(text).unwrap().trim().parse().unwrap());
}

/// Ends a process behind the back of everybody.
#[track_caller]
fn end(id: u32) {
    // SAFETY: takes no pointers; it sleeps much longer than this test.
    assert_eq!(unsafe { libc::kill(id as libc::pid_t, libc::SIGKILL) }, 0);
}

/// As `wait_for_no_children`, on a loop that has a part in it.
async fn wait_for_no_children_in_loop() {
    while !children::children().is_empty() {
        sleep(MILLISECOND).await;
    }
}

#[test]
fn what_a_child_wrote_last_is_not_lost_to_a_grace_of_nothing() {
    run(async {
        for n in 0..50 {
            let mut command = shell(&format!("sleep 0.00{}; printf last", n % 10));
            let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
            let output = child.communicate("").grace(Duration::ZERO).await.unwrap();
            assert_eq!(output.stdout, b"last");
        }
    });
}

#[test]
fn a_signal_to_the_group_reaches_what_the_child_has_started() {
    run(async {
        let mut child = shell("sleep 1000 & echo $!; wait")
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        let mut stdout = child.stdout.take().unwrap();
        let mut text = [0; 32];
        let count = stdout.read(&mut text).await.unwrap();
        let grandchild = std::str::from_utf8(&text[..count]).unwrap().trim().parse().unwrap();
        child.signal_group(SignalKind::terminate()).unwrap();
        assert_eq!(child.wait().await.unwrap().signal(), Some(libc::SIGTERM));
        wait_for_the_end_of(grandchild);
        // The pipe ends with the last of them.
        assert_eq!(stdout.read_to_end(&mut Vec::new()).await.unwrap(), 0);

        let error = sleeper().signal_group(SignalKind::terminate()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    });
}

#[test]
fn a_signal_to_the_group_after_the_end_of_its_leader_reaches_it_or_says_that_it_cannot() {
    run(async {
        let mut child =
            shell("sleep 1000 & echo $!").stdout(Stdio::piped()).process_group(0).spawn().unwrap();
        let output = child.communicate("").grace(Duration::ZERO).await.unwrap();
        let grandchild = String::from_utf8(output.stdout).unwrap().trim().parse().unwrap();
        match child.signal_group(SignalKind::kill()) {
            Ok(()) => wait_for_the_end_of(grandchild),
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::Unsupported);
                end_grandchild(grandchild.to_string().as_bytes());
            }
        }
        let ended = child.signal_group(SignalKind::kill());
        assert!(ended.is_ok() || ended.unwrap_err().kind() == io::ErrorKind::Unsupported);
    });
}

#[test]
fn a_dropped_child_runs_on_and_leaves_no_zombie() {
    own_process::run("a_dropped_child_runs_on_and_leaves_no_zombie", || {
        run(async {
            let before = descriptors();
            let file = std::env::temp_dir().join(format!("greenloop-{}", std::process::id()));
            // They end when this one is closed.
            let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
            let waits = |script: &str| {
                let input = std::os::fd::OwnedFd::from(theirs.try_clone().unwrap());
                shell(script).stdin(input).spawn().unwrap()
            };
            drop(waits(&format!("read nothing; : > {}", file.display())));
            drop((0..10).map(|_| waits("read nothing")).collect::<Vec<_>>());
            assert_eq!(greenloop::statistics().tasks, 12);
            drop((ours, theirs));
            wait_for_no_children_in_loop().await;
            std::fs::remove_file(file).expect("the child has come to its end");
            while greenloop::statistics().tasks > 1 {
                sleep(MILLISECOND).await;
            }
            assert_eq!(descriptors(), before);
        });
    });
}

#[test]
fn a_child_that_is_killed_when_it_is_dropped_leaves_no_zombie() {
    own_process::run("a_child_that_is_killed_when_it_is_dropped_leaves_no_zombie", || {
        run(async {
            drop(sleeper());
            let mut command = Command::new("sleep");
            let status = command.arg("1000").kill_on_drop(true).status();
            assert!(timeout(10 * MILLISECOND, status).await.is_err());
            let task = spawn(async { sleeper().wait().await });
            sleep(MILLISECOND).await;
            task.abort();
            wait_for_no_children_in_loop().await;
        });
    });
}

#[test]
fn children_that_outlive_their_loop_are_waited_for() {
    own_process::run("children_that_outlive_their_loop_are_waited_for", || {
        let before = descriptors();
        for _ in 0..3 {
            let (mut ids, kept) = run(async {
                let dropped = (0..5).map(|_| Command::new("sleep").arg("1000").spawn().unwrap());
                let ids: Vec<_> = dropped.map(|child| child.id().unwrap()).collect();
                sleep(MILLISECOND).await;
                // This one has waited in the loop that ends.
                let kept = Command::new("sleep").arg("1000").spawn().unwrap();
                assert!(poll_once(kept.exited()).is_pending());
                (ids, kept)
            });
            ids.extend(kept.id());
            drop(kept);
            // Without any loop.
            ids.extend(Command::new("sleep").arg("1000").spawn().unwrap().id());
            assert_eq!(children::children().len(), 7);
            ids.into_iter().for_each(end);
            wait_for_no_children();
        }
        wait_for_the_end_of_the_reaper();
        assert_eq!(descriptors(), before);
    });
}

/// The thread ends soon after the last child.
fn wait_for_the_end_of_the_reaper() {
    let is_there = || {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap();
        tasks.filter_map(Result::ok).any(|task| {
            let name = std::fs::read_to_string(task.path().join("comm"));
            name.unwrap_or_default().starts_with("greenloop-reape")
        })
    };
    for _ in 0..3000 {
        if !is_there() {
            return;
        }
        std::thread::sleep(10 * MILLISECOND);
    }
    panic!("the thread that waits for orphans is still there");
}

#[test]
fn a_child_dropped_while_another_loop_waits_for_it_is_waited_for() {
    own_process::run("a_child_dropped_while_another_loop_waits_for_it_is_waited_for", || {
        let mut first = EventLoop::new().unwrap();
        let child = first.run(async {
            let child = Command::new("sleep").arg("1000").spawn().unwrap();
            assert!(poll_once(child.exited()).is_pending());
            child
        });
        run(async {
            let error = child.exited().await.unwrap_err();
            assert!(error.to_string().contains("another event loop"), "{error}");
            let id = child.id().unwrap();
            drop(child);
            end(id);
            wait_for_no_children_in_loop().await;
        });
    });
}

#[test]
fn a_child_is_started_without_a_loop_and_waited_for_in_several() {
    let mut child = cat();
    assert!(matches!(poll_once(child.exited()), Poll::Ready(Err(_))));
    for _ in 0..2 {
        run(async { assert!(timeout(MILLISECOND, child.exited()).await.is_err()) });
    }
    run(async { assert!(child.wait().await.unwrap().success()) });
    run(async { assert!(child.wait().await.unwrap().success()) });
}

#[test]
fn a_child_that_somebody_else_has_waited_for_has_an_unknown_end() {
    own_process::run("a_child_that_somebody_else_has_waited_for_has_an_unknown_end", || {
        run(async {
            let mut child = sleeper();
            let waiting = Rc::new(Cell::new(false));
            let waiter = spawn({
                let waiting = Rc::clone(&waiting);
                async move {
                    waiting.set(true);
                    let error = child.wait().await.unwrap_err();
                    // Neither a signal to whoever has the number then nor a number.
                    child.start_kill().unwrap_or_else(|error| {
                        assert_eq!(error.raw_os_error(), Some(libc::ECHILD));
                    });
                    assert_eq!(child.id(), None);
                    error
                }
            });
            while !waiting.get() {
                sleep(MILLISECOND).await;
            }
            let (only, _) = children::children()[0];
            end(only);
            // SAFETY: the null pointer asks for no status.
            let waited = unsafe { libc::waitpid(-1, std::ptr::null_mut(), 0) };
            assert_eq!(waited, only as libc::pid_t);
            assert_eq!(waiter.await.unwrap().raw_os_error(), Some(libc::ECHILD));
        });
    });
}

#[test]
fn a_child_whose_end_the_kernel_keeps_to_itself_has_an_unknown_end() {
    own_process::run("a_child_whose_end_the_kernel_keeps_to_itself_has_an_unknown_end", || {
        // SAFETY: ignoring runs no code.
        unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
        run(async {
            let mut child = shell("sleep 0.02").spawn().unwrap();
            match child.wait().await {
                Err(error) => assert_eq!(error.raw_os_error(), Some(libc::ECHILD)),
                // Where the signal must be listened for it is no longer ignored.
                Ok(status) => assert!(without_descriptors_for_processes() && status.success()),
            }
            wait_for_no_children_in_loop().await;
        });
    });
}

#[test]
fn a_forked_child_has_no_part_in_its_parents_children() {
    own_process::run("a_forked_child_has_no_part_in_its_parents_children", || {
        let mut event_loop = EventLoop::new().unwrap();
        let mut child = Some(sleeper());
        event_loop.run(async {
            assert!(poll_once(child.as_ref().unwrap().exited()).is_pending());
        });

        // SAFETY: no other thread of this process holds a lock.
        let forked = unsafe { libc::fork() };
        if forked == 0 {
            let held = child.take().unwrap();
            let fine = held.start_kill().is_err()
                && held.try_wait().is_err()
                && run(held.exited()).unwrap_err().to_string().contains("before a fork");
            drop(held);
            // SAFETY: ends the process without running what only the parent should run.
            unsafe { libc::_exit(if fine { 0 } else { 1 }) }
        }
        let mut status = 0;
        // SAFETY: `status` is alive during the call.
        assert_eq!(unsafe { libc::waitpid(forked, &mut status, 0) }, forked);
        assert_eq!(status, 0);

        let mut child = child.unwrap();
        event_loop.run(async {
            assert!(timeout(20 * MILLISECOND, child.exited()).await.is_err());
            child.kill().await.unwrap();
        });
    });
}

#[test]
fn without_descriptors_nothing_is_lost() {
    own_process::run("without_descriptors_nothing_is_lost", || {
        run(async {
            let before = descriptors();
            let mut early = shell("sleep 0.02; exit 5").spawn().unwrap();
            limits::set(64);
            let open = || std::fs::File::open("/dev/null");
            let taken: Vec<_> = std::iter::from_fn(|| open().ok()).collect();
            assert_eq!(early.wait().await.unwrap().code(), Some(5));
            drop(early);
            // It gave back what it had taken.
            let mut taken = taken;
            taken.extend(std::iter::from_fn(|| open().ok()));

            let error = shell("echo").output().await.unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
            // This takes none, so it is an error that leaves nothing, or a child with a status.
            for _ in 0..3 {
                match shell("sleep 0.02; exit 6").status().await {
                    Ok(status) => assert_eq!(status.code(), Some(6)),
                    Err(error) => assert_eq!(error.raw_os_error(), Some(libc::EMFILE)),
                }
            }
            if let Ok(mut late) = Command::new("sleep").arg("1000").spawn() {
                assert!(timeout(5 * MILLISECOND, late.exited()).await.is_err());
                late.start_kill().unwrap();
                drop(taken);
                assert_eq!(late.wait().await.unwrap().signal(), Some(libc::SIGKILL));
            }
            limits::raise();
            assert_eq!(descriptors(), before);
            assert_eq!(children::children(), []);
        });
    });
}

#[test]
#[cfg(target_os = "linux")]
fn a_child_that_is_traced_is_waited_for_without_spinning() {
    own_process::run("a_child_that_is_traced_is_waited_for_without_spinning", || {
        run(async {
            let mut child = sleeper();
            let id = child.id().unwrap() as libc::pid_t;
            let (mut says, saying) = std::os::unix::net::UnixStream::pair().unwrap();
            // SAFETY: no other thread of this process holds a lock.
            let tracer = unsafe { libc::fork() };
            if tracer == 0 {
                trace(id, saying);
            }
            drop(saying);
            let mut traces = [0];
            io::Read::read_exact(&mut says, &mut traces).unwrap();
            if traces == [0] {
                eprintln!("this system lets no sibling be traced: nothing to see here");
            } else {
                child.start_kill().unwrap();
                // It has ended, but its tracer does not let go of it for a while.
                wait_for_the_end_of(id as u32);
                let turns = greenloop::statistics().turns;
                assert_eq!(child.wait().await.unwrap().signal(), Some(libc::SIGKILL));
                let turns = greenloop::statistics().turns - turns;
                assert!(turns < 50, "{turns} turns of the loop");
            }
            // SAFETY: the null pointer asks for no status.
            unsafe { libc::waitpid(tracer, std::ptr::null_mut(), 0) };
        });
    });
}

/// The life of a process that traces another one, and lets go of it some time after its end.
#[cfg(target_os = "linux")]
fn trace(id: libc::pid_t, mut saying: std::os::unix::net::UnixStream) -> ! {
    // SAFETY: the request takes no pointers.
    let traces = unsafe { libc::ptrace(libc::PTRACE_SEIZE, id, 0, 0) } == 0;
    let _ = io::Write::write_all(&mut saying, &[u8::from(traces)]);
    if traces {
        wait_for_the_end_of(id as u32);
        std::thread::sleep(100 * MILLISECOND);
        // SAFETY: the null pointer asks for no status.
        unsafe { libc::waitpid(id, std::ptr::null_mut(), libc::__WALL) };
    }
    // SAFETY: ends the process without running what only the parent should run.
    unsafe { libc::_exit(0) }
}

/// Set where the tests run without.
const WITHOUT: &str = "GREENLOOP_TEST_HAS_NO_PIDFD";

fn without_descriptors_for_processes() -> bool {
    std::env::var_os(WITHOUT).is_some()
}

#[test]
fn a_child_is_watched_by_a_descriptor_of_its_own_where_there_are_such() {
    own_process::run("a_child_is_watched_by_a_descriptor_of_its_own_where_there_are_such", || {
        run(async {
            let child = sleeper();
            assert!(poll_once(child.exited()).is_pending());
            let is_one = |path: &std::path::PathBuf| path.to_string_lossy().contains("pidfd");
            let count = descriptors().iter().filter(|path| is_one(path)).count();
            assert_eq!(count, usize::from(!without_descriptors_for_processes()));
        });
    });
}

/// What the tests above promise holds without the kernel's help as well.
#[test]
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn everything_holds_where_there_are_no_descriptors_for_processes() {
    if without_descriptors_for_processes() {
        return;
    }
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command.env(WITHOUT, "1").stdin(Stdio::null());
    // SAFETY: system calls only.
    unsafe { command.pre_exec(forbid_pidfd_open) };
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
}

/// Has the kernel say that it knows no `pidfd_open`, to this process and all that come of it.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn forbid_pidfd_open() -> io::Result<()> {
    let statement = |code: u32, k: u32| libc::sock_filter { code: code as u16, jt: 0, jf: 0, k };
    let mut program = [
        // The number of the system call, which stands at the front.
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0),
        libc::sock_filter {
            jf: 1,
            ..statement(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, libc::SYS_pidfd_open as u32)
        },
        statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32),
        statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW),
    ];
    let filter = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: takes no pointers.
    if unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the filter is alive during the call.
    if unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &filter) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
