//! Bundles that are written to several media at once.

use std::path::Path;

use serde_json::json;

use super::command::Work;
use super::{TRUST, Tree, export, layout, tree};

/// 2 MiB for head files and what else there must be, and about 1.2 MB for volumes.
const MEDIA: &str = "--media a=2300KiB,b=2300KiB,c=2300KiB --volume-size 700KiB";
const ALL: [&str; 3] = ["a", "b", "c"];

/// Eight layers of 300 KB: five volumes on three media.
fn work() -> Work {
    let work = Work::new();
    layout(&work, &[&[300_000; 4], &[300_000; 2], &[300_000; 2]]);
    work
}

fn stored() -> String {
    export(3, &format!("{MEDIA} --store-layers"))
}

fn trees(work: &Work) -> Vec<Tree> {
    ALL.iter().map(|medium| tree(&work.path(medium))).collect()
}

fn clear(work: &Work) {
    for medium in ALL {
        let _ = std::fs::remove_dir_all(work.path(medium));
    }
}

#[test]
fn each_medium_gets_whole_volumes_and_all_head_files() {
    let work = work();
    let said = work.json(&stored());
    let expected = json!([
        {"medium": "a", "volumes": [1, 2]},
        {"medium": "b", "volumes": [3, 4]},
        {"medium": "c", "volumes": [5]},
    ]);
    assert_eq!(said["media"], expected);
    let trees = trees(&work);
    let is_own = |name: &Path| name.to_str().unwrap().starts_with("volume-");
    let heads = |tree: &Tree| {
        let mut heads = tree.clone();
        heads.retain(|name, _| !is_own(name) && name != Path::new("label.txt"));
        heads
    };
    assert!(trees.iter().all(|tree| heads(tree) == heads(&trees[0])));
    assert_eq!(
        trees.iter().map(|tree| tree.keys().filter(|it| is_own(it)).count()).sum::<usize>(),
        5
    );
    let label = |medium: usize| String::from_utf8(trees[medium][Path::new("label.txt")].clone());
    let label = label(1).unwrap();
    let said = "gapferry bundle: stream default, sequence 1700000000\nmedium 2 of 3: volumes 3 and 4 of 5\n";
    assert!(label.starts_with(said), "{label}");
    for places in ["a b c", "c a b", "b c c a"] {
        work.ok(&format!("verify {places} {TRUST}"));
    }
    let message = work.refused(&format!("verify a c {TRUST}"), 3, "missing");
    assert!(message.starts_with("volumes 3 and 4 of 5 are missing: "), "{message}");
    clear(&work);
    let text = work.ok(&stored());
    assert!(text.contains("\nmedium 3 of 3: c: volume 5 of 5\n"), "{text}");
}

/// The seal and everything that it vouches for are the same on one medium, on three, and on others.
#[test]
fn the_bundle_does_not_depend_on_how_it_is_spread() {
    for pack in ["never", "always"] {
        let work = work();
        let options = format!("--pack {pack} --scratch .");
        work.ok(&export(3, &format!("-o v --volume-size 700KiB {options}")));
        for media in [MEDIA, "--media a=4MiB,b=1700KiB,c=1800KiB --volume-size 700KiB"] {
            work.ok(&export(3, &format!("{media} {options} --read-back")));
            for medium in ALL {
                for head in ["seal", "SHA256SUMS", "catalog.json.zst", "lading.json"] {
                    let (here, there) = (format!("{medium}/{head}"), format!("v/{head}"));
                    assert!(work.read(&here) == work.read(&there), "{pack}: {here}");
                }
            }
            clear(&work);
        }
        work.ok(&format!("repack v {MEDIA} {TRUST}"));
        assert!(work.read("b/seal") == work.read("v/seal"));
        work.ok(&format!("import c b a {TRUST} --to oci:target"));
    }
}

#[test]
fn what_does_not_fit_is_refused_before_anything_is_written() {
    let work = work();
    let media = "--media a=2MiB,b=2MiB --volume-size 700KiB";
    for dry in ["", "--dry-run"] {
        let line = export(3, &format!("{media} --store-layers {dry}"));
        let message = work.refused(&line, 1, "no-space");
        assert!(message.contains("KiB on a, ") && message.contains("would not fit"), "{message}");
        assert!(!work.path("a").exists() && !work.path("b").exists());
    }
    work.ok(&export(3, "-o v --volume-size 700KiB --store-layers"));
    work.refused(&format!("repack v {media} {TRUST}"), 1, "no-space");
    assert!(!work.path("a").exists());
    // Not one after the other either: a blob that is larger than what any medium has.
    let line = export(3, "--media a=1300KiB,b=1300KiB --store-layers --no-space-check");
    work.refused(&line, 1, "no-space");
    let line = export(3, "--media a,b --store-layers");
    work.refused(&line, 2, "same-medium");
    let line = export(3, &format!("{MEDIA} --pack always"));
    work.refused(&line, 2, "no-scratch");
    work.refused(&export(3, &format!("{MEDIA} -o out --store-layers")), 2, "usage");
}

/// Where the seal is anywhere, everything is everywhere.
fn assert_sealed_last(trees: &[Tree], whole: &[Tree], place: &str) {
    if !trees.iter().any(|tree| tree.contains_key(Path::new("seal"))) {
        return;
    }
    for (tree, whole) in trees.iter().zip(whole) {
        let others = whole.iter().filter(|(name, _)| *name != Path::new("seal"));
        for (name, bytes) in others {
            assert!(tree.get(name) == Some(bytes), "{place}: sealed without {name:?}");
        }
    }
}

#[test]
fn killed_it_goes_on_and_no_seal_comes_before_the_last_volume() {
    let work = work();
    work.ok(&stored());
    let whole = trees(&work);
    clear(&work);
    let calls = "write,pwrite64,openat,rename,renameat,renameat2,unlink,fsync,mkdir,ftruncate";
    let mut killed = 0;
    for at in (20..420).step_by(if cfg!(feature = "slow-tests") { 3 } else { 29 }) {
        let inject = format!("inject={calls}:signal=SIGKILL:when={at}");
        let line = format!(
            "strace -f -qq -o /dev/null -e trace={calls} -e {inject} {} {} --jobs 1",
            env!("CARGO_BIN_EXE_gapferry"),
            stored()
        );
        killed += usize::from(!work.tool(&line).status().unwrap().success());
        assert_sealed_last(&trees(&work), &whole, &inject);
        let sealed = ALL.iter().all(|medium| work.path(medium).join("seal").exists());
        if !sealed || work.path("a/export.journal").exists() {
            work.ok(&stored());
        }
        assert!(trees(&work) == whole, "{inject}");
        clear(&work);
    }
    assert!(killed > 5, "{killed}");
}

/// An export that could not read its last layer, which is there now.
fn stopped() -> (Work, Vec<Tree>) {
    let work = work();
    work.ok(&stored());
    let whole = trees(&work);
    clear(&work);
    let blobs = tree(&work.path("layout/blobs/sha256"));
    let last = gapferry::oci::Digest::of(&super::noise(300_000, 302)).hex();
    std::fs::remove_file(work.path("layout/blobs/sha256").join(&last)).unwrap();
    work.refused(&stored(), 1, "not-found");
    assert!(work.path("a/export.journal").exists());
    work.write(&format!("layout/blobs/sha256/{last}"), &blobs[Path::new(&last)]);
    (work, whole)
}

#[test]
fn media_in_another_order_are_not_taken() {
    let (work, whole) = stopped();
    let other =
        |media: &str| export(3, &format!("--media {media} --volume-size 700KiB --store-layers"));
    let before = trees(&work);
    let swapped = other("a=2300KiB,c=2300KiB,b=2300KiB");
    let message = work.refused(&swapped, 2, "other-medium");
    assert!(message.starts_with("c is not the medium"), "{message}");
    // The first has the journal: without it, nothing is known of an export.
    work.refused(&other("b=2300KiB,a=2300KiB,c=2300KiB"), 1, "exists");
    work.refused(&other("a=2300KiB,b=2300KiB"), 2, "other-export");
    assert!(trees(&work) == before);
    work.ok(&stored());
    assert!(trees(&work) == whole);
}

#[test]
fn what_was_begun_is_given_up_on_every_medium() {
    let (work, whole) = stopped();
    work.ok(&format!("{} --restart", stored()));
    assert!(trees(&work) == whole);
    // What is finished is not given up, and a medium that holds anything else is not taken.
    work.refused(&format!("{} --restart", stored()), 1, "exists");
    clear(&work);
    std::fs::create_dir(work.path("b")).unwrap();
    work.write("b/label.txt", "my own\n");
    work.refused(&stored(), 1, "exists");
    assert_eq!(work.read("b/label.txt"), b"my own\n");
    assert!(!work.path("a").exists() || tree(&work.path("a")).is_empty());
}

/// Each file on each medium is synced, asked back of the medium, and read.
#[test]
fn all_media_are_read_back() {
    let work = work();
    let line = format!(
        "strace -f -y -e trace=fsync,fadvise64,pread64,read -o trace {} {} --read-back --progress none",
        env!("CARGO_BIN_EXE_gapferry"),
        stored()
    );
    assert!(work.tool(&line).output().unwrap().status.success());
    let calls = String::from_utf8(work.read("trace")).unwrap();
    let calls: Vec<&str> = calls.lines().collect();
    let hidden = ["label.txt", "volumes.txt"];
    for medium in ALL {
        for name in tree(&work.path(medium)).into_keys() {
            let copy = !name.to_str().unwrap().starts_with("volume-") && medium != "a";
            if copy || hidden.contains(&name.to_str().unwrap()) {
                continue;
            }
            let path = work.path(medium).join(name).canonicalize().unwrap();
            let of = format!("<{}>", path.display());
            let at = |from: usize, call: &str| {
                let fits = |line: &&str| line.contains(call) && line.contains(&of);
                calls[from..].iter().position(fits).map(|at| from + at)
            };
            let forgotten = at(0, "fadvise64(").unwrap_or_else(|| panic!("{of} is not forgotten"));
            assert!(at(forgotten, "read").is_some(), "{of} is not read back");
        }
    }
}
