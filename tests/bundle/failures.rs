//! An export that fails leaves no bundle and no trace.

use super::{TESTDATA, Work, flip, tree};

/// A layout with one image, taken out of an archive.
fn layout(work: &Work) {
    std::fs::create_dir(work.path("layout")).unwrap();
    work.tool_ok(&format!("tar -xf {TESTDATA}/archives/skopeo-oci.tar -C layout"));
}

const OUTS: [&str; 3] = ["-o out", "-o out.tar", "-o out --volume-size 1MiB"];

#[test]
fn a_source_that_lies() {
    let work = Work::new();
    layout(&work);
    let layer =
        "layout/blobs/sha256/ce4f8385c243307a68ec489571b8c08a6cc628a5450c5e23b35a4b6be6d3dfca";
    let good = std::fs::read(work.path(layer)).unwrap();
    let mut flipped = good.clone();
    flipped[500] ^= 1;
    let longer = [&good[..], b"x"].concat();
    for (bytes, what) in [(&flipped[..], "digest"), (&good[1..], "short"), (&longer, "long")] {
        std::fs::write(work.path(layer), bytes).unwrap();
        let before = tree(&work.path(""));
        for out in OUTS {
            let line = format!("export oci:layout {out} --key a.key");
            let (exit, code, message) = work.failure(&line);
            assert_eq!((exit, code.as_str()), (3, "bad-content"), "{what}");
            assert!(message.contains("demo/tiny:1.0"), "{message}");
            assert!(!work.path("out/seal").exists() && !work.path("out.tar").exists(), "{what}");
            give_up(&work);
            assert!(tree(&work.path("")) == before, "{what}");
        }
    }
    std::fs::remove_file(work.path(layer)).unwrap();
    for out in OUTS {
        let line = format!("export oci:layout {out} --key a.key");
        assert_eq!(work.refused(&line), (1, "not-found".to_owned()));
        assert!(!work.path("out/seal").exists() && !work.path("out.tar").exists());
        give_up(&work);
    }
}

/// Removes what an export left that could go on.
fn give_up(work: &Work) {
    let _ = std::fs::remove_dir_all(work.path("out"));
    for name in ["out.tar.part", "out.tar.journal"] {
        let _ = std::fs::remove_file(work.path(name));
    }
}

#[test]
fn a_source_that_changes_after_the_lock() {
    let work = Work::new();
    layout(&work);
    work.ok("lock oci:layout -o images.lock");
    let manifest =
        "layout/blobs/sha256/14f88c71821dea901ce7505b1c8b996c30e9f911340a2d720904afbe4099ab88";
    flip(&work.path(manifest), 10, 0);
    let (exit, _) = work.refused("export --lock images.lock -o out --key a.key");
    assert_eq!(exit, 3);
    assert!(!work.path("out").exists());
}

#[test]
fn a_place_that_is_taken() {
    let work = Work::new();
    layout(&work);
    std::fs::create_dir(work.path("out")).unwrap();
    std::fs::write(work.path("out/mine"), "x").unwrap();
    std::fs::write(work.path("out.tar"), "mine").unwrap();
    let before = tree(&work.path(""));
    for out in OUTS {
        let line = format!("export oci:layout {out} --key a.key");
        assert_eq!(work.refused(&line), (1, "exists".to_owned()), "{out}");
        assert!(tree(&work.path("")) == before);
    }
    // An empty directory is welcome, such as a mounted medium.
    std::fs::create_dir(work.path("medium")).unwrap();
    work.ok("export oci:layout -o medium --key a.key");
    assert_eq!(work.refused("export oci:layout -o medium --key a.key"), (1, "exists".to_owned()));
    work.ok("verify medium --trust a.key.pub");
}

#[test]
fn a_dry_run_writes_nothing() {
    let work = Work::new();
    layout(&work);
    let before = tree(&work.path(""));
    let text = work.ok("export oci:layout -o out --key a.key --dry-run");
    assert!(text.contains("docker.io/demo/tiny:1.0"), "{text}");
    assert!(tree(&work.path("")) == before);
}

/// On a small file system of its own, if one can be mounted here. With more room it goes on.
#[test]
fn a_medium_that_is_full() {
    let work = Work::new();
    std::fs::create_dir(work.path("m")).unwrap();
    let (can, _) = work.tool("unshare -rm mount -t tmpfs -o size=64k none m");
    if !can {
        eprintln!("skipped: no file system can be mounted here");
        return;
    }
    for out in ["m/out", "m/out.tar", "m/out --volume-size 4GiB"] {
        let export = format!(
            "{} export oci:{TESTDATA}/images:library/busybox:1.35 --key a.key -o {out} \
             --no-space-check",
            env!("CARGO_BIN_EXE_gapferry")
        );
        let script = format!(
            "mount -t tmpfs -o size=64k none m; {export}; echo exit $?
             test -e m/out/seal || test -e m/out.tar || echo unsealed
             mount -o remount,size=64m m; {export} >&2; echo exit $?; rm -rf m/*"
        );
        let ran = work.command("unshare").args(["-rm", "sh", "-c", &script]).output().unwrap();
        let text = String::from_utf8(ran.stdout).unwrap();
        let error = String::from_utf8(ran.stderr).unwrap();
        assert_eq!(text, "exit 1\nunsealed\nexit 0\n", "{out}: {error}");
        assert!(error.contains("No space left on device"), "{error}");
    }
}

/// Whatever writes asks before whether there is room, says what is needed, and writes nothing.
#[test]
fn a_medium_that_is_too_small() {
    let work = Work::new();
    std::fs::create_dir(work.path("m")).unwrap();
    let (can, _) = work.tool("unshare -rm mount -t tmpfs -o size=64k none m");
    if !can {
        eprintln!("skipped: no file system can be mounted here");
        return;
    }
    let image = format!("oci:{TESTDATA}/images:library/busybox:1.35");
    work.ok(&format!("export {image} --key a.key -o good --store-layers"));
    let trust = "--trust a.key.pub";
    for line in [
        format!("export {image} --key a.key -o m/out --store-layers"),
        format!("export {image} --key a.key -o m/out.tar --pack always"),
        format!("export {image} --key a.key -o out --pack always --scratch m"),
        format!("repack good -o m/out.tar {trust}"),
        format!("unpack good -o m/out {trust}"),
        format!("import good --to oci:m/out {trust}"),
        format!("drill good --to m/out {trust} --record record.txt"),
    ] {
        let line = format!("{} {line} --output json", env!("CARGO_BIN_EXE_gapferry"));
        let script = format!(
            "mount -t tmpfs -o size=64k none m; {line}; echo exit $?; find m out -mindepth 1
             mount -o remount,size=64m m; {line} >&2; echo exit $?; rm -rf out"
        );
        let _ = std::fs::remove_file(work.path("record.txt"));
        let script = script.replace("find", "rm -f record.txt; find");
        let ran = work.command("unshare").args(["-rm", "sh", "-c", &script]).output().unwrap();
        let text = String::from_utf8(ran.stdout).unwrap();
        let error = String::from_utf8(ran.stderr).unwrap();
        assert_eq!(text, "exit 1\nexit 0\n", "{line}: {error}");
        assert!(error.contains(r#""code":"no-space""#), "{line}: {error}");
        assert!(
            error.contains("needs 1.0") && error.contains("MiB, 64.00 KiB are free on"),
            "{error}"
        );
    }
}

/// What may fit when it is packed is begun, and told of.
#[test]
fn a_medium_that_may_be_too_small() {
    let work = Work::new();
    std::fs::create_dir(work.path("m")).unwrap();
    let (can, _) = work.tool("unshare -rm mount -t tmpfs -o size=64k none m");
    if !can {
        eprintln!("skipped: no file system can be mounted here");
        return;
    }
    // Bytes that do not compress, the same in both layers.
    let mut state = 1u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    };
    std::fs::write(work.path("noise"), (0..3_000_000).map(|_| next()).collect::<Vec<u8>>())
        .unwrap();
    let layers = ["one", "two"];
    for layer in layers {
        work.tool_ok(&format!("umoci init --layout {layer}-oci"));
        work.tool_ok(&format!("umoci new --image {layer}-oci:1"));
        work.tool_ok(&format!("umoci insert --rootless --image {layer}-oci:1 noise /{layer}"));
    }
    let images: Vec<String> = layers.iter().map(|it| format!("{it}:1=oci:{it}-oci:1")).collect();
    let export = format!(
        "{} export {} --key a.key -o m/out --pack always --scratch .",
        env!("CARGO_BIN_EXE_gapferry"),
        images.join(" ")
    );
    let script = format!("mount -t tmpfs -o size=5m none m; {export}");
    let ran = work.command("unshare").args(["-rm", "sh", "-c", &script]).output().unwrap();
    let error = String::from_utf8(ran.stderr).unwrap();
    assert!(ran.status.success(), "{error}");
    assert!(error.starts_with("warning: as it is, or less when packed: needs 5.7"), "{error}");
}
