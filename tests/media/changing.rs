//! Media that are written one after the other in one drive.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::command::Work;
use super::{TRUST, export, layout, tree};

const DRIVE: &str = "--media m=2300KiB --media-count 3 --volume-size 700KiB";

/// Eight layers of 300 KB, and a command that puts the next medium in the drive.
fn work() -> Work {
    let work = Work::new();
    layout(&work, &[&[300_000; 4], &[300_000; 2], &[300_000; 2]]);
    let script =
        "#!/bin/sh\necho \"$2 of $3\" >> asked\nmv \"$1\" \"m$(($2 - 1))\" && mkdir \"$1\"\n";
    work.write("next", script);
    let runnable = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(work.path("next"), runnable).unwrap();
    work
}

fn line(options: &str) -> String {
    export(3, &format!("{DRIVE} {options}"))
}

/// The directory is a relative one for the command too, which runs where gapferry does.
const NEXT: &str = "--media-command ./next --store-layers";

#[test]
fn each_is_finished_before_it_is_taken_out() {
    for pack in ["never", "always"] {
        let work = work();
        let options = format!("--pack {pack} --scratch .");
        work.ok(&export(3, &format!("-o v --volume-size 700KiB {options}")));
        let text = work.ok(&line(&format!("--media-command ./next {options} --read-back")));
        assert!(text.contains("the last has the head files"), "{text}");
        assert_eq!(work.read("asked"), b"2 of 3\n3 of 3\n");
        assert!(work.read("m/seal") == work.read("v/seal"), "{pack}");
        let names = |medium: &str| -> Vec<String> {
            tree(&work.path(medium)).into_keys().map(|it| it.display().to_string()).collect()
        };
        assert_eq!(names("m1"), ["label.txt", "volume-0001.tar", "volume-0002.tar"]);
        assert_eq!(names("m2"), ["label.txt", "volume-0003.tar", "volume-0004.tar"]);
        let label = String::from_utf8(work.read("m1/label.txt")).unwrap();
        assert!(label.contains("\nmedium 1 of 3: volumes 1 and 2\n"), "{label}");
        let label = String::from_utf8(work.read("m/label.txt")).unwrap();
        assert!(label.contains("\nmedium 3 of 3: volume 5 of 5\n"), "{label}");
        work.ok(&format!("verify m1 m2 m {TRUST}"));
        // One after the other on the other side too: that with the head files first.
        work.refused(&format!("stage m1 -o s {TRUST}"), 3, "missing");
        for medium in ["m", "m2", "m1"] {
            work.ok(&format!("stage {medium} -o s {TRUST}"));
        }
        work.ok(&format!("import s {TRUST} --to oci:target"));
    }
}

#[test]
fn somebody_is_asked_at_a_terminal() {
    let work = work();
    let exe = env!("CARGO_BIN_EXE_gapferry");
    let mut command = work.tool("script -q -e -c");
    command.arg(format!("{exe} {}", line("--store-layers"))).arg("/dev/null");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut keys = child.stdin.take().unwrap();
    let is_written = |number: usize| {
        let label = std::fs::read_to_string(work.path("m/label.txt")).unwrap_or_default();
        label.contains(&format!("\nmedium {number} of 3: volumes"))
    };
    for number in 1..=2 {
        let began = Instant::now();
        while !is_written(number) && began.elapsed() < Duration::from_secs(30) {
            std::thread::sleep(Duration::from_millis(20));
        }
        // Too early, the first time: it is asked again.
        if number == 1 {
            keys.write_all(b"\n").unwrap();
            std::thread::sleep(Duration::from_millis(500));
        }
        std::fs::rename(work.path("m"), work.path(&format!("m{number}"))).unwrap();
        std::fs::create_dir(work.path("m")).unwrap();
        keys.write_all(b"\n").unwrap();
    }
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("insert medium 2 of 3 at m and press Enter"), "{text}");
    assert!(text.contains("m is not empty: is it the medium before?"), "{text}");
    work.ok(&format!("verify m1 m2 m {TRUST}"));
}

#[test]
fn without_anybody_to_ask_nothing_is_begun() {
    let work = work();
    let message = work.refused(&line("--store-layers"), 2, "no-terminal");
    assert!(message.contains("nobody"), "{message}");
    for more in ["--resume", "--restart"] {
        work.refused(&line(&format!("{NEXT} {more}")), 2, "usage");
    }
    let two = export(3, "--media m,n --media-count 3 --media-command ./next --store-layers");
    work.refused(&two, 2, "usage");
    let few = export(3, "--media m=2300KiB --media-count 2 --volume-size 700KiB");
    let message = work.refused(&format!("{few} {NEXT}"), 1, "no-space");
    assert!(message.contains(" on m on each of 2; "), "{message}");
    assert!(!work.path("m").exists());
}

#[test]
fn a_medium_that_does_not_come_ends_it() {
    for (script, said) in [("exit 3", "exit status: 3"), ("exit 0", "m is not empty")] {
        let work = work();
        work.write("next", format!("#!/bin/sh\n{script}\n"));
        let message = work.refused(&line(NEXT), 1, "no-medium");
        assert!(message.contains(said), "{message}");
        assert!(!work.path("m/seal").exists() && !work.path("m/export.journal").exists());
    }
}

/// What is not on a medium any more is found while it is still there.
#[test]
fn each_is_read_back_before_it_is_taken_out() {
    let work = work();
    let call = "fadvise64:delay_enter=3000000:when=1";
    let line = format!(
        "strace -f -qq -o /dev/null -e trace=fadvise64 -e inject={call} {} {} --read-back --output json",
        env!("CARGO_BIN_EXE_gapferry"),
        line(NEXT)
    );
    let child = work.tool(&line).stderr(Stdio::piped()).spawn().unwrap();
    let volume = work.path("m/volume-0002.tar");
    let began = Instant::now();
    while !volume.exists() && began.elapsed() < Duration::from_secs(30) {
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(Duration::from_millis(500));
    flip(&volume, 100_000);
    let output = child.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{errors}");
    assert!(
        errors.contains("\"code\":\"damaged\"") && errors.contains("volume-0002.tar"),
        "{errors}"
    );
    assert!(!work.path("asked").exists());
}

fn flip(path: &Path, at: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[at] ^= 1;
    std::fs::write(path, bytes).unwrap();
}
