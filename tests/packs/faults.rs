//! Damage to packed bundles: found, named, and nothing arrives.

use crate::support::command::Work;
use crate::{TRUST, prepared, sources};

/// The only pack of a bundle in a directory: its largest blob.
fn pack(work: &Work, bundle: &str) -> std::path::PathBuf {
    let entries = std::fs::read_dir(work.path(bundle).join("blobs/sha256")).unwrap();
    let files = entries.map(|entry| entry.unwrap().path());
    files.max_by_key(|path| path.metadata().unwrap().len()).unwrap()
}

#[test]
fn a_flipped_byte_anywhere_in_a_pack_is_refused() {
    let (work, _) = prepared();
    work.ok(&format!(
        "export {} -o bundle --key release.key --pack always",
        sources(&["old-gzip:1"])
    ));
    let pack = pack(&work, "bundle");
    let good = std::fs::read(&pack).unwrap();
    for at in [0, 5, 17, good.len() / 3, good.len() / 2, good.len() - 1] {
        let mut bad = good.clone();
        bad[at] ^= 0x40;
        std::fs::write(&pack, bad).unwrap();
        let place = format!("arrived{at}");
        for command in ["verify bundle".to_owned(), format!("import bundle --to oci:{place}")] {
            let refused = work.fails(&format!("{command} {TRUST}"));
            assert_eq!((refused.exit, refused.code.as_str()), (3, "damaged"), "{command} {at}");
            assert!(refused.message.contains("old-gzip"), "{}", refused.message);
        }
        let blobs = work.path(&place).join("blobs/sha256");
        let left = std::fs::read_dir(blobs).map_or(0, |entries| entries.count());
        assert_eq!(left, 0, "nothing arrives");
    }
}

#[test]
fn a_bundle_that_could_not_be_finished_goes_on() {
    let (work, layers) = prepared();
    let line = "export oci:layout:old-gzip:1 oci:layout:new-zlib:1 --key release.key";
    let broken = work.path("layout/blobs/sha256").join(&layers["new-zlib:1"][0]);
    let good = std::fs::read(&broken).unwrap();
    let mut bytes = good.clone();
    bytes[good.len() / 2] ^= 1;
    for mode in ["auto", "always"] {
        std::fs::write(&broken, &bytes).unwrap();
        let line = format!("{line} --pack {mode} -o {mode}");
        let failed = work.fails(&line);
        assert_eq!((failed.exit, failed.code.as_str()), (3, "bad-content"), "{mode}");
        assert!(!work.path(mode).join("seal").exists(), "{mode}");
        std::fs::write(&broken, &good).unwrap();
        work.ok(&line);
        work.ok(&format!("verify {mode} {TRUST}"));
    }
}
