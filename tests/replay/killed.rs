//! A process that is killed at any instant leaves a memory that is whole, and grows from there.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use gapferry::bundle::Timestamp;
use gapferry::memory::{Entry, hold, read};

const DIRECTORY: &str = "GAPFERRY_TEST_MEMORY";
const ROUNDS: u64 = 20;

/// The process that is killed: adds one line after the other, until then.
#[test]
fn remembers_until_it_is_killed() {
    let Some(directory) = std::env::var_os(DIRECTORY) else { return };
    let mut held = hold(Path::new(&directory)).unwrap();
    for _ in 0.. {
        let time = held.memory().floor().map_or(0, Timestamp::unix) + 1;
        let time = Timestamp::from_unix(time).unwrap();
        assert!(held.note(Entry::Floor(time), time).unwrap());
    }
}

#[test]
fn a_killed_process_leaves_a_whole_memory() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    for round in 0..ROUNDS {
        let before = read(&state).unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "killed::remembers_until_it_is_killed"])
            .env(DIRECTORY, &state)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        // Once it is at work, at an instant that is another each round.
        let deadline = Instant::now() + Duration::from_secs(60);
        let grown = || read(&state).is_ok_and(|it| it.lines().len() > before.lines().len() + 1);
        while !grown() {
            assert!(Instant::now() < deadline, "the process does not get to work");
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_micros(300 * round));
        child.kill().unwrap();
        child.wait().unwrap();
        let after = read(&state).unwrap();
        assert!(after.lines().starts_with(before.lines()), "round {round}: it only grows");
        assert!(after.had_head(&before.head()));
    }
}
