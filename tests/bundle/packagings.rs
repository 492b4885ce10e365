//! The same bundle as a directory, an archive and volumes, on one medium or several.

use std::path::Path;

use super::{Work, flip, tree};

const IMAGES: &str = "oci:TESTDATA/images:library/multi:1.0 oci:TESTDATA/images:signed/app:1.0";

fn made() -> Work {
    let work = Work::new();
    work.ok(&format!("export {IMAGES} -o d --key a.key --store-layers --read-back"));
    work
}

#[test]
fn the_way_through_all_packagings_changes_nothing() {
    let work = made();
    let start = tree(&work.path("d"));
    for (from, to, more) in [
        ("d", "a.tar", ""),
        ("a.tar", "v", "--volume-size 1100k"),
        ("v", "b.tar", ""),
        ("b.tar", "e", "--trust a.key.pub"),
    ] {
        work.ok(&format!("repack {from} -o {to} {more}"));
        work.ok(&format!("verify {to} --trust a.key.pub"));
    }
    assert!(tree(&work.path("e")) == start);
    assert!(
        std::fs::read(work.path("a.tar")).unwrap() == std::fs::read(work.path("b.tar")).unwrap()
    );
    assert!(std::fs::read_dir(work.path("v")).unwrap().count() > 8);
    let seal = |bundle: &str| work.json(&format!("inspect {bundle}"))["seal"].clone();
    assert!(["a.tar", "v", "e"].iter().all(|bundle| seal(bundle) == seal("d")));
}

#[test]
fn the_same_order_gives_the_same_bytes() {
    let work = made();
    std::fs::write(work.path("images.txt"), "").unwrap();
    work.ok(&format!("lock {IMAGES} -o images.lock"));
    for (out, jobs) in [("one.tar", 1), ("many.tar", 16)] {
        let line = format!("export --lock images.lock -o {out} --key a.key --jobs {jobs}");
        let made = work
            .command(env!("CARGO_BIN_EXE_gapferry"))
            .args(line.split(' '))
            .env("SOURCE_DATE_EPOCH", "1900000000")
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }
    let bytes = |name: &str| std::fs::read(work.path(name)).unwrap();
    assert!(bytes("one.tar") == bytes("many.tar"));
}

#[test]
fn damage_is_not_repacked() {
    let work = made();
    let layer = tree(&work.path("d")).into_iter().max_by_key(|(_, bytes)| bytes.len()).unwrap();
    flip(&work.path("d").join(&layer.0), layer.1.len() as u64 - 1, 0);
    for line in ["repack d -o x", "repack d -o x.tar", "repack d -o x --volume-size 4GiB"] {
        let (exit, code, message) = work.failure(line);
        assert_eq!((exit, code.as_str()), (3, "damaged"), "{line}");
        assert!(message.contains(layer.0.to_str().unwrap()), "{message}");
        assert!(!work.path("x").exists() && !work.path("x.tar").exists());
    }
    flip(&work.path("d/index.json"), 5, 0);
    assert_eq!(work.refused("repack d -o x"), (3, "damaged".to_owned()));
    assert!(!work.path("x").exists());
}

#[test]
fn volumes_lie_anywhere_and_each_is_needed() {
    let work = made();
    work.ok("repack d -o v --volume-size 1100k");
    std::fs::create_dir(work.path("w")).unwrap();
    std::fs::rename(work.path("v/volume-0001.tar"), work.path("w/volume-0001.tar")).unwrap();
    for places in ["v w", "w v", "v w v", "v w/volume-0001.tar"] {
        work.ok(&format!("verify {places} --trust a.key.pub"));
    }
    for line in ["verify v --trust a.key.pub", "import v --trust a.key.pub --to oci:out"] {
        let (exit, code, message) = work.failure(line);
        assert_eq!((exit, code.as_str()), (3, "missing"));
        assert!(message.contains("volume-0001.tar"), "{message}");
    }
    assert!(!work.path("out").exists());
    work.ok("import v w --trust a.key.pub --to oci:out");
    // Head files may be repeated on each medium.
    for (name, bytes) in tree(&work.path("v")) {
        if name.extension().is_none_or(|kind| kind != "tar") {
            std::fs::write(work.path("w").join(name), bytes).unwrap();
        }
    }
    work.ok("verify w v --trust a.key.pub");
}

#[test]
fn a_volume_of_another_bundle_is_refused() {
    let work = made();
    work.ok("repack d -o v --volume-size 1100k");
    work.ok("export oci:TESTDATA/images:tools/umoci:1.0 -o other --key a.key --volume-size 1200k");
    std::fs::copy(work.path("other/volume-0001.tar"), work.path("v/volume-0001.tar")).unwrap();
    let (exit, code, message) = work.failure("verify v --trust a.key.pub");
    assert_eq!((exit, code.as_str()), (3, "extra-file"));
    assert!(message.contains("volume-0001.tar"), "{message}");
    let (exit, _) = work.refused("verify v other --trust a.key.pub");
    assert_eq!(exit, 3);
}

#[test]
fn a_volume_that_is_too_small_writes_nothing() {
    let work = made();
    for line in ["repack d -o x --volume-size 1MiB", "repack d -o x --volume-size 1"] {
        assert_eq!(work.refused(line), (2, "volume-too-small".to_owned()));
    }
    let export = format!("export {IMAGES} -o x --key a.key --store-layers --volume-size 1MiB");
    assert_eq!(work.refused(&export), (2, "volume-too-small".to_owned()));
    assert!(!work.path("x").exists());
}

#[test]
fn a_read_only_medium_will_do() {
    let work = made();
    let set = |path: &Path, mode: u32| {
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    };
    let before = tree(&work.path("d"));
    set(&work.path("d"), 0o555);
    work.ok("verify d --trust a.key.pub");
    work.ok("import d --trust a.key.pub --to oci:out");
    set(&work.path("d"), 0o755);
    assert!(tree(&work.path("d")) == before);
}

/// Between writing a file and reading it back, the system is asked to drop it from memory: each
/// file once, after it was synced, and before it is read.
#[test]
fn what_is_read_back_is_asked_of_the_medium() {
    let work = Work::new();
    let gapferry = env!("CARGO_BIN_EXE_gapferry");
    for (out, more) in [("d", ""), ("a.tar", ""), ("v", " --volume-size 2MiB")] {
        let export =
            format!("{gapferry} export {IMAGES} -o {out} --key a.key{more} --progress none");
        let export = export.replace("TESTDATA", super::TESTDATA);
        let trace = "strace -f -y -e trace=fsync,fadvise64,pread64,read -o trace";
        work.tool_ok(&format!("{trace} {export} --read-back"));
        let calls = std::fs::read_to_string(work.path("trace")).unwrap();
        let calls: Vec<&str> = calls.lines().collect();
        let written = match work.path(out).is_dir() {
            true => {
                tree(&work.path(out)).into_keys().map(|name| work.path(out).join(name)).collect()
            }
            false => vec![work.path(out)],
        };
        // Nobody reads the list of volumes when nothing is missing.
        for path in written.into_iter().filter(|path| !path.ends_with("volumes.txt")) {
            let of = format!("<{}>", path.canonicalize().unwrap().display());
            let at = |from: usize, call: &str| {
                let fits = |line: &&str| line.contains(call) && line.contains(&of);
                calls[from..].iter().position(fits).map(|at| from + at)
            };
            let forgotten = at(0, "fadvise64(").unwrap_or_else(|| panic!("{of} is not forgotten"));
            assert!(calls[forgotten].ends_with("0, 0, POSIX_FADV_DONTNEED) = 0"), "{of}");
            assert!(at(0, "fsync(").is_some_and(|synced| synced < forgotten), "{of}");
            assert!(at(forgotten, "read").is_some(), "{of} is not read back");
        }
    }
    let plain = format!("{gapferry} export {IMAGES} -o plain --key a.key");
    let plain = plain.replace("TESTDATA", super::TESTDATA);
    work.tool_ok(&format!("strace -f -e trace=fadvise64 -o trace {plain}"));
    assert!(!std::fs::read_to_string(work.path("trace")).unwrap().contains("fadvise64("));
}
