//! Whole images out of bundles that are damaged or incomplete.

use std::fs;

use serde_json::{Value, json};

use super::TRUST;
use super::support::DockerRegistry;
use super::support::command::Work;
use super::support::images::{Eyes, IMAGES};

/// Three images in volumes: none shares content with another.
fn bundled(options: &str) -> Work {
    let work = Work::new();
    let image = |name: &str| format!("docker.io/{name}=oci:{IMAGES}:{name}");
    let images = ["library/busybox:1.35", "charts/hello:0.1.0", "tools/plain:1.0"].map(image);
    work.ok(&format!("export {} -o bundle --key release.key {options}", images.join(" ")));
    work
}

/// How an import that goes on ends: exit code, what it prints as JSON, and what it says is missing.
fn salvaged(work: &Work, line: &str) -> (i32, Value, Vec<Value>) {
    let output = work.run(&format!("{line} --keep-going --output json"));
    let said = String::from_utf8(output.stderr).unwrap();
    let said: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let printed = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output.status.code().unwrap(), printed, said)
}

/// The volume that holds a file whose name holds `hex`, and where.
fn volume_of(work: &Work, hex: &str) -> (std::path::PathBuf, usize) {
    let volumes = fs::read_dir(work.path("bundle")).unwrap().map(|it| it.unwrap().path());
    let found = volumes.filter(|path| path.extension() == Some("tar".as_ref())).find_map(|path| {
        let bytes = fs::read(&path).unwrap();
        let at = bytes.windows(hex.len()).position(|window| window == hex.as_bytes())?;
        Some((path, at))
    });
    found.unwrap_or_else(|| panic!("{hex} is in no volume"))
}

fn streams(work: &Work) -> usize {
    work.json("memory show")["streams"].as_array().unwrap().len()
}

/// Each way to lose the layer of busybox, the message that tells, and how it is mended.
#[test]
fn whole_images_are_imported_and_the_others_listed() {
    const LAYER: &str = "c8e0c85a505cb5f91288978";
    let work = bundled("--store-layers --volume-size 1079000");
    let (volume, at) = volume_of(&work, LAYER);
    let whole = fs::read(&volume).unwrap();
    let name = volume.file_name().unwrap().to_str().unwrap();
    let mut damaged = whole.clone();
    damaged[at + 600_000] ^= 1;
    let cut = whole[..at + 600_000].to_vec();
    let cases = [
        (Some(damaged), "are not what was signed"),
        (Some(cut), "the archive ends within this member"),
        (None, "volume 2 of 2 is missing (volume-0002.tar)"),
    ];
    for (bytes, why) in cases {
        match bytes {
            Some(bytes) => fs::write(&volume, bytes).unwrap(),
            None => fs::remove_file(&volume).unwrap(),
        }
        let registry = DockerRegistry::start();
        let eyes = Eyes::on(&registry.host());
        let line = format!("import bundle {TRUST} --to docker://{}", registry.host());
        // Without leave to go on: refused before anything is written.
        let refused = work.fails(&line);
        assert_eq!(refused.exit, 3, "{refused:?}");
        assert!(eyes.catalog().is_empty());
        // verify says what is to be had.
        let verified = work.run(&format!("verify bundle {TRUST} --output json"));
        assert_eq!(verified.status.code(), Some(3));
        let told: Value = serde_json::from_slice(&verified.stdout).unwrap();
        assert_eq!(told["verified"], false);
        assert_eq!(told["lost"][0]["name"], "docker.io/library/busybox:1.35");
        assert!(told["lost"][0]["needs"].to_string().contains(LAYER), "{told}");
        let others = json!(["docker.io/charts/hello:0.1.0", "docker.io/tools/plain:1.0"]);
        assert_eq!(told["whole"], others);
        // And that is had.
        let (exit, printed, said) = salvaged(&work, &line);
        assert_eq!((exit, said.len()), (5, 2), "{said:?}");
        assert_eq!(said[0]["code"], "image-lost");
        let message = said[0]["message"].as_str().unwrap();
        assert!(message.contains("busybox") && message.contains(why), "{message}");
        assert!(message.contains(name) || message.contains("is missing"), "{message}");
        let outcomes: Vec<_> =
            printed["images"].as_array().unwrap().iter().map(|it| &it["outcome"]).collect();
        assert_eq!(outcomes, ["loaded", "failed", "loaded"], "{printed}");
        assert_eq!(printed["memory"]["noted"], false);
        eyes.assert_whole();
        assert_eq!(eyes.catalog().into_iter().collect::<Vec<_>>(), ["charts/hello", "tools/plain"]);
        assert_eq!(streams(&work), 0);
        // The mended medium is imported as if nothing had been.
        fs::write(&volume, &whole).unwrap();
        work.ok(&line);
        eyes.assert_whole();
        assert_eq!(eyes.tags("library/busybox").len(), 1);
        assert_eq!(streams(&work), 1);
        fs::remove_dir_all(work.path(".local")).unwrap();
    }
}

#[test]
fn of_packed_layers_any_pack_counts() {
    let work = bundled("--pack always");
    let catalog = work.read("bundle/catalog.json.zst");
    let catalog: Value =
        serde_json::from_slice(&zstd::decode_all(catalog.as_slice()).unwrap()).unwrap();
    for pack in catalog["packs"].as_array().unwrap() {
        let pack = pack["blob"]["digest"].as_str().unwrap();
        let path = work.path("bundle/blobs/sha256").join(&pack[7..]);
        let whole = fs::read(&path).unwrap();
        let mut damaged = whole.clone();
        damaged[whole.len() / 2] ^= 1;
        fs::write(&path, damaged).unwrap();
        let verified = work.run(&format!("verify bundle {TRUST} --output json"));
        let told: Value = serde_json::from_slice(&verified.stdout).unwrap();
        let lost = told["lost"].as_array().unwrap();
        assert!(lost.iter().all(|it| it["needs"].to_string().contains(pack)), "{told}");
        let (exit, printed, _) = salvaged(&work, &format!("import bundle {TRUST} --to oci:store"));
        let failed = printed["images"].as_array().unwrap().iter();
        let failed = failed.filter(|it| it["outcome"] == "failed").count();
        assert_eq!(exit, 5);
        assert!(failed > 0 && failed <= lost.len(), "{printed} {told}");
        fs::write(&path, whole).unwrap();
        work.ok(&format!("import bundle {TRUST} --to oci:store"));
        fs::remove_dir_all(work.path("store")).unwrap();
        fs::remove_dir_all(work.path(".local")).unwrap();
    }
}

#[test]
fn head_files_must_be_whole_all_the_same() {
    let work = bundled("--store-layers");
    for name in ["lading.json", "catalog.json.zst", "index.json", "SHA256SUMS", "seal"] {
        let path = work.path("bundle").join(name);
        let whole = fs::read(&path).unwrap();
        let mut damaged = whole.clone();
        damaged[10] ^= 1;
        for bytes in [Some(damaged), None] {
            match bytes {
                Some(bytes) => fs::write(&path, bytes).unwrap(),
                None => fs::remove_file(&path).unwrap(),
            }
            let (exit, _, said) = salvaged(&work, &format!("import bundle {TRUST} --to oci:store"));
            assert_eq!((exit, said.len()), (3, 1), "{name}: {said:?}");
            assert!(!work.path("store").exists());
        }
        fs::write(&path, whole).unwrap();
    }
}
