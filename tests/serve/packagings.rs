//! The same images from every form of a bundle, and from a chain of deltas.

use crate::images::Layout;
use crate::support::command::Work;
use crate::support::images::{Eyes, digest};
use crate::{Serving, TRUST, exported};

#[test]
fn a_directory_an_archive_and_volumes_serve_the_same() {
    let (work, images) = exported("bundle", "");
    work.ok("repack bundle -o archive.tar");
    work.ok("repack bundle -o volumes --volume-size 2MiB");
    for place in ["bundle", "archive.tar", "volumes"] {
        let server = Serving::start(&work, &format!("{place} {TRUST}"));
        let eyes = Eyes::on(server.host());
        eyes.assert_holds("", &images);
        eyes.assert_holds("docker.io/", &images);
        eyes.assert_whole();
        assert_eq!(server.log(), "");
        assert_eq!(server.signalled("-TERM"), Some(0), "{place}");
    }
}

#[test]
fn several_media_hold_one_bundle() {
    let (work, images) = exported("volumes", "--volume-size 1MiB");
    std::fs::create_dir(work.path("other")).unwrap();
    let last = (1..).take_while(|number| work.path(&volume("volumes", *number)).exists()).last();
    let last = last.unwrap();
    std::fs::rename(work.path(&volume("volumes", last)), work.path(&volume("other", last)))
        .unwrap();
    work.refused(&format!("serve volumes {TRUST} --listen 127.0.0.1:0"), 3, "missing");
    let server = Serving::start(&work, &format!("volumes {} {TRUST}", volume("other", last)));
    Eyes::on(server.host()).assert_holds("", &images);
}

fn volume(directory: &str, number: u32) -> String {
    format!("{directory}/volume-{number:04}.tar")
}

/// Every layer of these images is there, byte for byte, and in parts.
fn assert_layers(eyes: &Eyes, work: &Work, names: &[&str]) {
    for name in names {
        let (repository, tag) = name.split_once(':').unwrap();
        let manifest = eyes.json(&format!("library/{repository}/manifests/{tag}"));
        for layer in manifest["layers"].as_array().unwrap() {
            let wanted = layer["digest"].as_str().unwrap();
            let path = format!("library/{repository}/blobs/{wanted}");
            let (status, _, bytes) = eyes.get(&path);
            assert_eq!((status, digest(&bytes).as_str()), (200, wanted), "{name}");
            let original = std::fs::read(work.path("layout/blobs").join(wanted.replace(':', "/")));
            assert!(bytes == original.unwrap());
            for at in [bytes.len() - 1, bytes.len() / 2, 1] {
                let (status, part) = eyes.part(&path, &format!("bytes={at}-{}", at + 99));
                assert_eq!(status, 206);
                assert!(part == bytes[at..bytes.len().min(at + 100)], "{name} from {at}");
            }
        }
    }
}

const PACKED: [&str; 4] = ["old-gzip:1", "plain:1", "old-libzstd:1", "odd:1"];

fn sources(names: &[&str]) -> String {
    names.iter().map(|name| format!("oci:layout:{name} ")).collect()
}

#[test]
fn packed_layers_are_made_on_the_way() {
    let work = Work::new();
    Layout::place(&work);
    work.ok(&format!("export {} -o bundle --key release.key --pack always", sources(&PACKED)));
    for cache in ["", "--cache . --cache-size 8MiB", "--cache-size 1"] {
        let server = Serving::start(&work, &format!("bundle {TRUST} {cache}"));
        assert_layers(&Eyes::on(server.host()), &work, &PACKED);
        assert_eq!(server.log(), "");
    }
}

#[test]
fn a_chain_of_deltas_is_served_with_its_bases() {
    let work = Work::new();
    Layout::place(&work);
    let export = |names: &[&str], out: &str, more: &str| {
        work.ok(&format!("export {} -o {out} --key release.key {more}", sources(names)))
    };
    for base in ["always", "never"] {
        let [first, second, third] = ["1", "2", "3.tar"].map(|name| format!("{base}-{name}"));
        export(&["old-gzip1:1", "plain:1"], &first, &format!("--pack {base} --sequence 1"));
        export(&["old-gzip1:1", "new-gzip1:1"], &second, &format!("--since {first} --sequence 2"));
        let all = ["old-gzip1:1", "new-gzip1:1", "new-libzstd:1"];
        export(&all, &third, &format!("--since {second} --sequence 3"));
        for chain in [format!("{first} {second} {third}"), format!("{third} {first} {second}")] {
            let server = Serving::start(&work, &format!("{chain} {TRUST}"));
            assert_layers(&Eyes::on(server.host()), &work, &["new-libzstd:1", "plain:1"]);
            assert_layers(&Eyes::on(server.host()), &work, &all);
        }
        let alone = format!("serve {second} {third} {TRUST} --listen 127.0.0.1:0");
        assert!(work.refused(&alone, 4, "base-missing").contains("it builds upon sha256:"));
    }
}

#[test]
fn the_newest_of_a_stream_has_the_name() {
    let work = Work::new();
    let layout = |name: &str, text: &str| {
        std::fs::create_dir_all(work.path(name)).unwrap();
        let dir = work.path(name);
        let script = format!(
            "umoci init --layout {0} && umoci new --image {0}:1 && \
             umoci config --image {0}:1 --author {text}",
            dir.display()
        );
        std::fs::remove_dir(&dir).unwrap();
        let made = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
        assert!(made.status.success(), "{made:?}");
    };
    layout("one", "ann");
    layout("two", "bob");
    let export = |layout: &str, out: &str, more: &str| {
        let name = format!("{layout}/index.json");
        let index = String::from_utf8(work.read(&name)).unwrap();
        let named = index.replace("\"1\"", "\"docker.io/a/b:1\"");
        work.write(&name, named);
        work.ok(&format!("export oci:{layout}:docker.io/a/b:1 -o {out} --key release.key {more}"))
    };
    export("one", "older", "--sequence 1");
    export("two", "newer", "--sequence 2");
    let of = |line: &str| {
        let server = Serving::start(&work, &format!("{line} {TRUST}"));
        digest(&Eyes::on(server.host()).get("a/b/manifests/1").2)
    };
    assert_eq!(of("newer older"), of("newer"));
    assert_ne!(of("newer older"), of("older"));
    export("two", "strange", "--sequence 2 --stream other");
    work.refused(&format!("serve older strange {TRUST} --listen 127.0.0.1:0"), 2, "conflict");
}
