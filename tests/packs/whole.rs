//! Whole bundles: every layer arrives bit for bit, whatever made it, however it was carried.

use serde_json::Value;

use crate::images::TOOLS;
use crate::support::DockerRegistry;
use crate::{TRUST, blobs, prepared, size, sources};

#[test]
fn every_encoders_layers_are_packed_and_made_again() {
    let (work, layers) = prepared();
    let names: Vec<&str> = layers.keys().map(String::as_str).collect();
    let export = |mode: &str, out: &str| {
        work.ok(&format!("export {} -o {out} --key release.key --pack {mode}", sources(&names)))
    };
    export("always", "always");
    export("never", "never");
    assert!(size(&work, "always") * 3 < size(&work, "never"), "much of it is shared");
    let shown = work.json(&format!("inspect always {TRUST}"));
    for (name, _) in TOOLS {
        for age in ["old", "new"] {
            let layer = &layers[&format!("{age}-{name}:1")][0];
            assert_eq!(had(&shown, layer), "packed", "{age}-{name}");
        }
    }
    assert_eq!(had(&shown, &layers["plain:1"][0]), "packed");
    for age in ["old", "new"] {
        assert_eq!(had(&shown, &layers[&format!("{age}-libzstd:1")][0]), "packed", "{age}");
    }
    let version = std::process::Command::new("zstd").arg("--version").output().unwrap().stdout;
    let same = String::from_utf8(version).unwrap().contains("v1.5.7,");
    let expected = if same { "packed" } else { "encoder" };
    assert_eq!(had(&shown, &layers["zstd:1"][0]), expected);
    assert_eq!(had(&shown, &layers["odd:1"][0]), "stored");
    assert_eq!(had(&shown, &layers["odd:1"][1]), "form");
    assert_eq!(had(&shown, &layers["odd:1"][2]), "form");
    let image = |name: &str| {
        let images = shown["packing"].as_array().unwrap();
        let name = format!("docker.io/library/{name}");
        let found = images.iter().find(|image| image["name"] == name.as_str()).unwrap();
        (found["packedBytes"].as_u64().unwrap(), found["aboardBytes"].as_u64().unwrap())
    };
    let (whole, aboard) = image("old-gzip1:1");
    assert!(0 < aboard && aboard < whole, "{aboard} of {whole}");
    assert_eq!(image("old-zlib:1").1, aboard, "it holds the same");
    assert_eq!(image("odd:1"), (0, 0));
    let verified = work.json(&format!("verify always {TRUST}"));
    assert_eq!(verified["layersNotMade"], 0);
    work.ok(&format!("import always {TRUST} --to oci:arrived"));
    assert_eq!(blobs(&work, "arrived"), blobs(&work, "layout"));
    let registry = DockerRegistry::start();
    work.ok(&format!("import always {TRUST} --to docker://{}", registry.host()));
    work.ok(&format!("export {}/library/new-pigz:1 -o back --key release.key", registry.host()));
    assert!(blobs(&work, "back").contains(&layers["new-pigz:1"][0]));
}

/// How a layer is had, according to `inspect`.
fn had(shown: &Value, digest: &str) -> String {
    let blobs = shown["blobs"].as_array().unwrap();
    let wanted = format!("sha256:{digest}");
    let blob = blobs.iter().find(|blob| blob["digest"] == wanted.as_str()).unwrap();
    blob["had"].as_str().unwrap().to_owned()
}

#[test]
fn auto_packs_what_is_shared_and_stores_the_rest() {
    let (work, layers) = prepared();
    work.ok(&format!(
        "export {} -o auto --key release.key",
        sources(&["old-gzip:1", "new-pigz:1"])
    ));
    let shown = work.json(&format!("inspect auto {TRUST}"));
    // The images are sorted by name: the new one comes first.
    assert_eq!(had(&shown, &layers["new-pigz:1"][0]), "unshared");
    assert_eq!(had(&shown, &layers["old-gzip:1"][0]), "packed");
    work.ok(&format!("import auto {TRUST} --to oci:arrived"));
    assert!(blobs(&work, "arrived").contains(&layers["old-gzip:1"][0]));
    work.ok(&format!("export {} -o one.tar --key release.key", sources(&["old-gzip:1"])));
    let skopeo = work.tool("skopeo inspect oci-archive:one.tar").output().unwrap();
    assert!(skopeo.status.success(), "a stored layer is read by others");
}

#[test]
fn a_zstd_layer_gives_and_takes_content_only_if_it_is_packed() {
    let (work, layers) = prepared();
    let names = ["new-libzstd:1", "old-libzstd:1"];
    let line = format!("export {} --key release.key", sources(&names));
    work.ok(&format!("{line} -o auto"));
    work.ok(&format!("{line} -o always --pack always --sequence 1700000001"));
    work.ok(&format!("{line} -o again --pack always --sequence 1700000001 --jobs 1"));
    let shown = work.json(&format!("inspect auto {TRUST}"));
    // Nobody takes from a stored one, so both look new.
    assert_eq!(names.map(|name| had(&shown, &layers[name][0])), ["unshared"; 2]);
    assert!(size(&work, "always") * 5 < size(&work, "auto") * 4, "the second is mostly shared");
    assert_eq!(blobs(&work, "always"), blobs(&work, "again"));
    for bundle in ["auto", "always"] {
        work.ok(&format!("import {bundle} {TRUST} --to oci:{bundle}-arrived"));
        for name in names {
            assert!(blobs(&work, &format!("{bundle}-arrived")).contains(&layers[name][0]));
        }
    }
}

#[test]
fn the_bytes_do_not_depend_on_the_number_of_threads() {
    let (work, _) = prepared();
    let names = ["old-gzip:1", "new-zlib:1", "new-pigz:1", "plain:1", "old-python:1"];
    for (out, more) in
        [("a.tar", "--jobs 1"), ("b.tar", "--jobs 16"), ("c.tar", "--scratch scratch")]
    {
        std::fs::create_dir_all(work.path("scratch")).unwrap();
        let line = format!("export {} -o {out} --key release.key --pack always", sources(&names));
        work.ok(&format!("{line} {more}"));
    }
    assert!(work.read("a.tar") == work.read("b.tar") && work.read("a.tar") == work.read("c.tar"));
    assert_eq!(std::fs::read_dir(work.path("scratch")).unwrap().count(), 0, "nothing is left");
    work.ok(&format!("repack a.tar -o directory {TRUST}"));
    work.ok(&format!("repack directory -o again.tar {TRUST}"));
    assert!(work.read("a.tar") == work.read("again.tar"), "repacking goes there and back");
}

#[test]
fn an_unpacked_bundle_is_what_everybody_reads() {
    let (work, layers) = prepared();
    let names = ["old-gzip:1", "new-zlib:1", "new-pigz:1"];
    work.ok(&format!("export {} -o packed --key release.key --pack always", sources(&names)));
    work.ok(&format!("unpack packed -o plain {TRUST}"));
    work.ok(&format!("unpack packed -o plain.tar {TRUST}"));
    assert!(!work.path("plain/seal").exists(), "it is no bundle");
    for name in names {
        assert!(blobs(&work, "plain").contains(&layers[name][0]), "{name}");
    }
    let image = "docker.io/library/new-zlib:1";
    for (at, place) in
        [format!("oci:plain:{image}"), format!("oci-archive:plain.tar:{image}")].iter().enumerate()
    {
        let copy = work.tool(&format!("skopeo copy -q {place} dir:copy{at}")).output().unwrap();
        assert!(copy.status.success(), "{place}: {}", String::from_utf8_lossy(&copy.stderr));
        let layer = work.path(&format!("copy{at}")).join(&layers["new-zlib:1"][0]);
        assert!(layer.exists(), "{place}");
    }
}

#[test]
fn a_layer_that_fits_no_volume_is_packed() {
    let (work, layers) = prepared();
    let line = format!("export {} -o volumes --key release.key", sources(&["old-gzip:1"]));
    let size = work.path("layout/blobs/sha256").join(&layers["old-gzip:1"][0]);
    let half = size.metadata().unwrap().len() / 2;
    let stored = work.fails(&format!("{line} --volume-size {half} --pack never"));
    assert_eq!((stored.exit, stored.code.as_str()), (2, "volume-too-small"));
    work.ok(&format!("{line} --volume-size {half}"));
    for volume in std::fs::read_dir(work.path("volumes")).unwrap() {
        assert!(volume.unwrap().metadata().unwrap().len() <= half);
    }
    work.ok(&format!("import volumes {TRUST} --to oci:arrived"));
    assert!(blobs(&work, "arrived").contains(&layers["old-gzip:1"][0]));
}

#[test]
fn the_frozen_bundles_are_still_taken() {
    let work = crate::Work::new();
    let frozen = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/frozen");
    let trust = format!("--trust {frozen}/release.key.pub");
    for bundle in ["packed", "delta"] {
        work.ok(&format!("import {frozen}/{bundle}.tar {trust} --to oci:arrived"));
    }
    let arrived = blobs(&work, "arrived");
    let expected = std::fs::read_to_string(format!("{frozen}/digests.txt")).unwrap();
    let expected: Vec<&str> = expected.lines().collect();
    assert!(expected.len() > 100, "{}", expected.len());
    for digest in &expected {
        assert!(arrived.contains(*digest), "{digest}");
    }
    assert_eq!(arrived.len(), expected.len());
}
