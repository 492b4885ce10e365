//! Cases about what lies on a medium, and how.

use std::collections::BTreeSet;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Stdio;

use crate::build;
use crate::reads::Trace;
use crate::seen::Seen;
use crate::stage::{Stage, TRUST, tree};

fn small() -> Stage {
    Stage::with(&build::bundle(build::content()))
}

pub(crate) fn missing_volume_is_named() -> Vec<Seen> {
    let stage = Stage::exported("--volume-size 3k");
    let (first, last) = (stage.path("b/volume-0001.tar"), stage.path("b/volume-0002.tar"));
    std::fs::rename(&last, stage.path("away")).unwrap();
    let after = stage.import_b().refused(3, "missing").names("volume 2 of 2 is missing");
    std::fs::rename(stage.path("away"), &last).unwrap();
    std::fs::remove_file(first).unwrap();
    let first = stage.import_b().refused(3, "missing").names("volume-0001.tar): 1 image needs it");
    // Nobody signed the list of volumes: it helps, and nothing more.
    std::fs::remove_file(stage.path("b/volumes.txt")).unwrap();
    vec![after, first, stage.import_b().refused(3, "missing").names("volume-0001.tar")]
}

/// Head files in one directory, volumes in others, the order turned round, one given twice.
pub(crate) fn volumes_anywhere() -> Vec<Seen> {
    let stage = Stage::exported("--volume-size 3k");
    let names: Vec<_> = tree(&stage.path("b")).into_keys().collect();
    let volumes = names.iter().filter(|name| name.extension().is_some_and(|it| it == "tar"));
    let volumes: Vec<_> = volumes.collect();
    assert!(volumes.len() > 1);
    let mut places = vec!["b".to_owned()];
    for (at, volume) in volumes.iter().enumerate() {
        std::fs::create_dir(stage.path(&format!("v{at}"))).unwrap();
        let moved = stage.path(&format!("v{at}")).join(volume);
        std::fs::rename(stage.path("b").join(volume), &moved).unwrap();
        std::fs::copy(&moved, stage.path(&format!("copy-of-{at}.tar"))).unwrap();
        places.extend([format!("copy-of-{at}.tar"), format!("v{at}")]);
    }
    places.reverse();
    vec![stage.import(&format!("{} {TRUST}", places.join(" "))).passes()]
}

/// Each of the files of a small bundle is replaced by something that is none.
pub(crate) fn no_files() -> Vec<Seen> {
    type Put = fn(&Stage, &Path);
    let puts: [(&str, Put); 3] = [
        ("link", |stage, at| symlink(stage.path("away"), at).unwrap()),
        ("pipe", |stage, at| {
            assert!(stage.work.tool("mkfifo").arg(at).status().unwrap().success())
        }),
        ("socket", |_, at| drop(std::os::unix::net::UnixListener::bind(at).unwrap())),
    ];
    let mut seen = Vec::new();
    for (what, put) in puts {
        for file in ["seal".to_owned(), "SHA256SUMS".to_owned(), build::layer()] {
            let stage = small();
            let at = stage.path("b").join(&file);
            std::fs::rename(&at, stage.path("away")).unwrap();
            put(&stage, &at);
            let trace = Trace::of(&stage, &format!("import b {TRUST} --to oci:target"));
            assert!(
                !trace.opened.iter().any(|path| path.ends_with(&file)),
                "{what} {file}: opened"
            );
            seen.push(trace.seen.refused(3, "not-a-file"));
        }
    }
    // Only root may make a device.
    let stage = small();
    std::fs::rename(stage.path("b/seal"), stage.path("away")).unwrap();
    let mut device = stage.work.tool("mknod -m 600 b/seal c 1 5");
    if device.stderr(Stdio::null()).status().unwrap().success() {
        seen.push(stage.import_b().refused(3, "not-a-file"));
    }
    seen
}

/// A second name of a file cannot be told from the first; its bytes are proven as any others.
pub(crate) fn second_names() -> Vec<Seen> {
    let stage = small();
    let layer = stage.path("b").join(build::layer());
    std::fs::rename(&layer, stage.path("away")).unwrap();
    std::fs::hard_link(stage.path("away"), &layer).unwrap();
    vec![stage.import_b().passes()]
}

/// All that is written is told apart without upper case.
pub(crate) fn names_in_lower_case() -> Vec<Seen> {
    let stage = Stage::exported("");
    let names = tree(&stage.path("b")).into_keys().map(|name| name.display().to_string());
    let names: Vec<String> = names.collect();
    let lower: BTreeSet<String> = names.iter().map(|name| name.to_lowercase()).collect();
    assert_eq!(lower.len(), names.len(), "{names:?}");
    assert!(names.iter().all(|name| name == "SHA256SUMS" || *name == name.to_lowercase()));
    vec![stage.import_b().passes()]
}

/// Nothing on the medium is opened for writing, and it may not be.
pub(crate) fn read_only() -> Vec<Seen> {
    let stage = small();
    let set = |mode: u32| {
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(stage.path("b"), permissions).unwrap();
    };
    let before = tree(&stage.path("b"));
    set(0o555);
    let trace = Trace::of(&stage, &format!("import b {TRUST} --to oci:target"));
    set(0o755);
    let on_medium = |path: &&String| path.contains("/b/");
    assert_eq!(trace.written.iter().find(on_medium), None);
    assert!(tree(&stage.path("b")) == before);
    vec![trace.seen.passes()]
}

/// A bundle is a layout too. What is imported would spoil it, even if it is the bundle itself.
pub(crate) fn named_as_target() -> Vec<Seen> {
    let stage = small();
    stage.put("other", &build::bundle(build::content()));
    let before = tree(&stage.path("other"));
    let import = |target: &str| {
        let line = format!("import b {TRUST} --to oci:{target}");
        stage.watch(&line).refused(3, "not-a-layout").names("bundle")
    };
    let seen = vec![import("b"), import("other"), import("./other/../b/")];
    assert!(tree(&stage.path("b")) == before && tree(&stage.path("other")) == before);
    stage.import_b().passes();
    seen
}

pub(crate) fn name_goes_on_behind_nul() -> Vec<Seen> {
    let stage = Stage::new();
    let archive = build::archive(&build::bundle(build::content()));
    let member = build::member("manifest.json\0/../../evil", b'0', b"[]");
    stage.work.write("b", [member, archive].concat());
    vec![stage.import_b().refused(3, "bad-archive")]
}
