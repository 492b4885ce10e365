//! An export that fails in the middle, and goes on.

use super::command::Work;
use super::{OUTS, PACKS, export, layout, tree};

/// Both images exported without a fault.
fn undisturbed(work: &Work, out: &str, options: &str, pack: &str) -> super::Tree {
    work.ok(&export(out, options, pack));
    let whole = tree(&work.path(out));
    remove(work, out);
    whole
}

fn remove(work: &Work, out: &str) {
    let path = work.path(out);
    match path.is_dir() {
        true => std::fs::remove_dir_all(path).unwrap(),
        false => std::fs::remove_file(path).unwrap(),
    }
}

/// Nothing at `out` passes for a bundle.
fn assert_unsealed(work: &Work, out: &str) {
    assert!(!work.path(out).is_file() && !work.path(out).join("seal").exists());
    let failure = work.fails(&format!("verify {out} --trust release.key.pub"));
    assert_ne!(failure.exit, 0);
}

/// Where the content of a digest lies in the source.
fn blob(work: &Work, hex: &str) -> std::path::PathBuf {
    work.path(&format!("layout/blobs/sha256/{hex}"))
}

#[test]
fn what_is_on_the_medium_is_not_read_again() {
    for (out, options) in OUTS {
        for pack in PACKS {
            let work = Work::new();
            let digests = layout(&work);
            let whole = undisturbed(&work, out, options, pack);
            // The order of the blobs is that of the images: config, layers, config, layers.
            let last = blob(&work, &digests[7]);
            std::fs::rename(&last, work.path("away")).unwrap();
            let failure = work.fails(&export(out, options, pack));
            assert_eq!((failure.exit, failure.code.as_str()), (1, "not-found"), "{out} {pack}");
            assert_unsealed(&work, out);
            std::fs::rename(work.path("away"), &last).unwrap();
            for hex in &digests[..7] {
                std::fs::remove_file(blob(&work, hex)).unwrap();
            }
            work.ok(&export(out, options, pack));
            assert!(tree(&work.path(out)) == whole, "{out} {options} {pack}");
            let left = std::fs::read_dir(work.path("")).unwrap();
            let left = left.map(|it| it.unwrap().file_name().into_string().unwrap());
            let left: Vec<_> = left.filter(|name| name.starts_with("out.tar.")).collect();
            assert_eq!(left, [""; 0]);
        }
    }
}

#[test]
fn what_is_damaged_on_the_medium_is_read_again() {
    for (out, options) in OUTS {
        let work = Work::new();
        let digests = layout(&work);
        let whole = undisturbed(&work, out, options, "always");
        let last = blob(&work, &digests[7]);
        std::fs::rename(&last, work.path("away")).unwrap();
        work.fails(&export(out, options, "always"));
        std::fs::rename(work.path("away"), &last).unwrap();
        let files = match out {
            "out.tar" => vec![work.path("out.tar.part")],
            _ => tree(&work.path(out)).into_keys().map(|name| work.path(out).join(name)).collect(),
        };
        for file in files.iter().filter(|file| !file.ends_with("export.journal")) {
            let mut bytes = std::fs::read(file).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            std::fs::write(file, bytes).unwrap();
        }
        work.ok(&export(out, options, "always"));
        assert!(tree(&work.path(out)) == whole, "{out} {options}");
    }
}

/// An export to `out` that stopped before its last layer, which is there now.
fn stopped(out: &str) -> Work {
    let work = Work::new();
    let digests = layout(&work);
    let last = blob(&work, &digests[7]);
    std::fs::rename(&last, work.path("away")).unwrap();
    work.fails(&export(out, "", "auto"));
    std::fs::rename(work.path("away"), &last).unwrap();
    work
}

#[test]
fn another_export_does_not_go_on_with_it() {
    for out in ["out", "out.tar"] {
        let work = stopped(out);
        let before = tree(&work.path(""));
        for line in [
            export(out, "--level 9", "auto"),
            export(out, "", "always"),
            export(out, "--stream other", "auto"),
            format!("export oci:layout:app:1 -o {out} --key release.key"),
        ] {
            let failure = work.fails(&line);
            assert_eq!((failure.exit, failure.code.as_str()), (2, "other-export"), "{line}");
            assert!(tree(&work.path("")) == before);
        }
        work.ok(&export(out, "--restart --level 9", "auto"));
        work.ok(&format!("verify {out} --trust release.key.pub"));
        // What is finished is not given up.
        let failure = work.fails(&export(out, "--restart", "auto"));
        assert_eq!((failure.exit, failure.code.as_str()), (1, "exists"));
        work.ok(&format!("verify {out} --trust release.key.pub"));
    }
}

#[test]
fn a_tag_that_moved_meanwhile() {
    for (choice, same) in [("--resume", true), ("--restart", false)] {
        let work = Work::new();
        layout(&work);
        let whole = undisturbed(&work, "out", "", "auto");
        let work = stopped("out");
        let index = String::from_utf8(work.read("layout/index.json")).unwrap();
        let swapped =
            index.replace("app:1", "app:0").replace("app:2", "app:1").replace("app:0", "app:2");
        work.write("layout/index.json", swapped);
        let failure = work.fails(&export("out", "", "auto"));
        assert_eq!((failure.exit, failure.code.as_str()), (2, "moved"));
        assert!(failure.message.contains("app:1"), "{}", failure.message);
        work.ok(&export("out", choice, "auto"));
        let now = tree(&work.path("out"));
        let sums = |tree: &super::Tree| tree[std::path::Path::new("SHA256SUMS")].clone();
        assert_eq!(sums(&now) == sums(&whole), same, "{choice}");
        work.ok("verify out --trust release.key.pub");
    }
}

#[test]
fn a_journal_that_was_cut_or_changed() {
    let work = stopped("out");
    let journal = work.read("out/export.journal");
    let undisturbed = {
        let work = Work::new();
        layout(&work);
        undisturbed(&work, "out", "", "auto")
    };
    let lines: Vec<&[u8]> = journal.split_inclusive(|byte| *byte == b'\n').collect();
    // Cut anywhere behind the first line; and a line that says something else.
    let mut changed = lines.concat();
    let at = changed.len() - lines[lines.len() - 1].len() + 80;
    changed[at] ^= 1;
    let cut = |to: usize| journal[..to].to_vec();
    for text in [cut(lines[0].len()), cut(journal.len() - 1), cut(journal.len() / 2), changed] {
        let again = Work::new();
        let copy = std::process::Command::new("cp")
            .arg("-r")
            .arg(work.path("out"))
            .arg(work.path("layout"))
            .arg(again.path(""))
            .status();
        assert!(copy.unwrap().success());
        again.write("out/export.journal", text);
        again.write("release.key", work.read("release.key"));
        again.write("release.key.pub", work.read("release.key.pub"));
        again.ok(&export("out", "", "auto"));
        let sums = |tree: &super::Tree| tree[std::path::Path::new("SHA256SUMS")].clone();
        assert_eq!(sums(&tree(&again.path("out"))), sums(&undisturbed));
    }
    work.write("out/export.journal", "something else\n");
    let failure = work.fails(&export("out", "", "auto"));
    assert_eq!((failure.exit, failure.code.as_str()), (3, "bad-journal"));
}
