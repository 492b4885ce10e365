//! Sources on this machine, with images that other tools made.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::*;
use crate::layout::{Layout, LayoutWriter, Store as _};
use crate::oci::{Content, MediaType, OCI_INDEX, OCI_MANIFEST, Reference};
use crate::registry::{Client, Config};

const IMAGES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/images");
const ARCHIVES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/archives");

fn images(name: Option<&str>) -> Result<LayoutSource<Layout>, SourceError> {
    LayoutSource::new(Layout::open(Path::new(IMAGES)).unwrap(), name)
}

fn open(location: &Location) -> Result<Opened, SourceError> {
    Opener::new(Client::new(Config::default()).unwrap()).open(location)
}

fn local(kind: &str, file: &str, name: &str) -> Opened {
    open(&format!("{kind}:{ARCHIVES}/{file}{name}").parse().unwrap()).unwrap()
}

/// Reads everything below the root; gives the digests of the blobs.
fn walk(source: &dyn Source) -> Vec<Digest> {
    let mut blobs = Vec::new();
    let mut waiting = vec![source.root().unwrap()];
    while let Some(manifest) = waiting.pop() {
        for child in manifest.children() {
            waiting.push(source.manifest(child).unwrap());
        }
        for blob in manifest.blobs() {
            let mut content = Vec::new();
            source.blob(blob).unwrap().proving().read_to_end(&mut content).unwrap();
            assert_eq!(Digest::of(&content), blob.digest);
            blobs.push(blob.digest);
        }
    }
    blobs
}

#[test]
fn every_test_image_is_read_whole() {
    let layout = Layout::open(Path::new(IMAGES)).unwrap();
    for entry in layout.entries() {
        let Some(name) = entry.name.as_deref() else { continue };
        let source = images(Some(name)).unwrap();
        assert_eq!(source.root().unwrap().descriptor().digest, entry.descriptor.digest);
        assert!(!walk(&source).is_empty(), "{name}");
    }
}

#[test]
fn names_are_found_as_written_and_as_meant() {
    let digest = "sha256:fd81094251a3fa1dc71bd0b8e11e70bca5866f67abaed9ef471774b428cad7db";
    for name in [
        "library/busybox:1.35",
        "busybox:1.35",
        "docker.io/library/busybox:1.35",
        &format!("busybox@{digest}"),
        &format!("busybox:1.35@{digest}"),
    ] {
        let root = images(Some(name)).unwrap().root().unwrap();
        assert_eq!(root.descriptor().digest.to_string(), digest, "{name}");
    }
    let other = Digest::of(b"");
    for name in
        ["busybox", "quay.io/library/busybox:1.35", "1.35", "a b", &format!("busybox:1.35@{other}")]
    {
        assert!(matches!(images(Some(name)), Err(SourceError::NotFound(_))), "{name}");
    }
    let Err(SourceError::Ambiguous { names, .. }) = images(None) else { panic!("one was chosen") };
    assert_eq!(names[0], "docker.io/library/busybox:1.35");
}

#[test]
fn signatures_and_referrers_are_found() {
    let source = images(Some("signed/app:1.0")).unwrap();
    let root = source.root().unwrap().descriptor().digest;
    let tag = |ending: &str| format!("sha256-{}.{ending}", root.hex()).parse::<Tag>().unwrap();
    for ending in ["sig", "att"] {
        assert!(source.tagged(&tag(ending)).unwrap().is_some(), "{ending}");
    }
    assert!(source.tagged(&tag("sbom")).unwrap().is_none());
    let referrers = source.referrers(&root).unwrap();
    let mut kinds: Vec<_> = referrers.iter().filter_map(|r| r.artifact_type.as_deref()).collect();
    kinds.sort_unstable();
    assert_eq!(
        kinds,
        [
            "application/spdx+json",
            "application/vnd.dev.cosign.artifact.sig.v1+json",
            "application/vnd.in-toto+json"
        ]
    );
    assert!(referrers.is_sorted_by_key(|referrer| referrer.digest));
    let sbom =
        referrers.iter().find(|r| r.artifact_type.as_deref() == Some("application/spdx+json"));
    assert_eq!(source.referrers(&sbom.unwrap().digest).unwrap().len(), 1);
    assert!(images(Some("busybox:1.35")).unwrap().referrers(&Digest::of(b"")).unwrap().is_empty());
}

/// A layout of empty indexes, each with a note that tells it from the others.
struct Made {
    dir: tempfile::TempDir,
    writer: LayoutWriter,
}

impl Made {
    fn new() -> Made {
        let dir = tempfile::tempdir().unwrap();
        let writer = LayoutWriter::open_or_create(dir.path()).unwrap();
        Made { dir, writer }
    }

    fn put(&self, name: Option<&str>, note: &str, children: &[&Descriptor]) -> Descriptor {
        let json = serde_json::json!({
            "schemaVersion": 2, "manifests": children, "annotations": {"note": note},
        });
        let raw = json.to_string().into_bytes();
        let descriptor = Descriptor::of(MediaType::new(OCI_INDEX).unwrap(), &raw);
        let manifest = Manifest::parse(descriptor.clone(), raw).unwrap();
        self.writer.put_manifest(&manifest).unwrap();
        match name {
            Some(name) => self.writer.set_name(name, &descriptor).unwrap(),
            None => self.writer.list(&descriptor).unwrap(),
        }
        descriptor
    }

    fn source(&self, name: Option<&str>) -> Result<LayoutSource<Layout>, SourceError> {
        LayoutSource::new(Layout::open(self.dir.path()).unwrap(), name)
    }

    fn root(&self, name: Option<&str>) -> Digest {
        self.source(name).unwrap().root().unwrap().descriptor().digest
    }
}

#[test]
fn the_only_image_needs_no_name() {
    let made = Made::new();
    assert!(matches!(made.source(None), Err(SourceError::NotFound(_))));
    let nameless = made.put(None, "nameless", &[]);
    assert_eq!(made.root(None), nameless.digest);
    assert!(made.source(None).unwrap().reference().is_none());
    let named = made.put(Some("a/b:1"), "named", &[]);
    assert_eq!(made.root(None), named.digest);
    let signature = format!("a/b:sha256-{}.sig", named.digest.hex());
    made.put(Some(&signature), "signature", &[]);
    assert_eq!(made.root(None), named.digest);
    made.put(Some("a/b:latest"), "named", &[]);
    assert_eq!(made.root(None), named.digest);
    made.put(Some("a/c:1"), "another", &[]);
    assert!(matches!(made.source(None), Err(SourceError::Ambiguous { .. })));
}

#[test]
fn bare_tags_are_siblings() {
    let made = Made::new();
    made.put(Some("1.35"), "image", &[]);
    let sibling = made.put(Some("1.36"), "sibling", &[]);
    made.put(Some("a/b:1.37"), "of another repository", &[]);
    let source = made.source(Some("1.35")).unwrap();
    let tagged = |tag: &str| source.tagged(&tag.parse().unwrap()).unwrap();
    assert_eq!(tagged("1.36").unwrap().descriptor().digest, sibling.digest);
    assert!(tagged("1.37").is_none());
}

#[test]
fn a_fallback_tag_lists_referrers() {
    let made = Made::new();
    let image = made.put(Some("docker.io/a/b:1"), "image", &[]);
    let signature = Descriptor::of(MediaType::new(OCI_MANIFEST).unwrap(), b"elsewhere");
    made.put(Some(&format!("a/b:sha256-{}", image.digest.hex())), "referrers", &[&signature]);
    made.put(Some(&format!("a/c:sha256-{}", image.digest.hex())), "of another", &[&image]);
    let source = made.source(Some("a/b:1")).unwrap();
    assert_eq!(source.referrers(&image.digest).unwrap(), std::slice::from_ref(&signature));
    assert!(matches!(source.manifest(&signature), Err(SourceError::NotFound(_))));
}

#[test]
fn a_damaged_document_hides_no_referrer() {
    let made = Made::new();
    let image = made.put(Some("a/b:1"), "image", &[]);
    let other = made.put(None, "perhaps a signature", &[]);
    let path = made.dir.path().join("blobs/sha256").join(other.digest.hex());
    std::fs::write(path, "{}").unwrap();
    let source = made.source(None).unwrap();
    assert!(source.root().is_ok());
    assert!(matches!(source.referrers(&image.digest), Err(SourceError::Manifest(_))));
}

#[test]
fn oci_archives_of_three_tools_are_read() {
    for file in ["podman-oci.tar", "skopeo-oci.tar", "umoci.tar"] {
        let local = local("oci-archive", file, "");
        assert_eq!(walk(&*local.source).len(), 2, "{file}");
    }
    let location = format!("oci-archive:{ARCHIVES}/docker-save.tar").parse().unwrap();
    assert!(matches!(open(&location), Err(SourceError::Archive(ArchiveError::Member { .. }))));
}

#[test]
fn an_oci_archive_is_read_where_it_lies_by_many() {
    let local = local("oci-archive", "skopeo-oci.tar", "");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..20).for_each(|_| assert_eq!(walk(&*local.source).len(), 2)));
        }
    });
}

#[test]
fn docker_archives_become_the_same_image_each_time() {
    let digest = |file: &str| {
        let local = local("docker-archive", file, "");
        assert_eq!(walk(&*local.source).len(), 2);
        local.source.root().unwrap()
    };
    let manifest = digest("docker-save.tar");
    assert_eq!(manifest.descriptor().digest, digest("podman-save.tar").descriptor().digest);
    let Content::Image { config: Some(config), layers } = manifest.content() else {
        panic!("{manifest:?}")
    };
    assert_eq!(
        config.digest.to_string(),
        "sha256:ecc332f656784659ecbc231643e1e1b3167a0dedf6116a6c95c59f7b398c3594"
    );
    assert_eq!(layers[0].media_type.as_str(), "application/vnd.oci.image.layer.v1.tar");
}

/// A docker archive of one layer; `change` may change any member before it is written.
fn docker_archive(change: impl Fn(&str, &mut Vec<u8>)) -> (tempfile::TempDir, PathBuf) {
    let layer = b"the layer, in which nobody looks".to_vec();
    let diff_id = Digest::of(&layer);
    let config =
        serde_json::json!({"rootfs": {"type": "layers", "diff_ids": [diff_id]}}).to_string();
    let config_name = format!("{}.json", Digest::of(config.as_bytes()).hex());
    let list = serde_json::json!([
        {"Config": config_name, "RepoTags": ["a/b:1", "a/b:2"], "Layers": ["layer.tar"]},
        {"Config": config_name, "RepoTags": null, "Layers": ["../layer.tar"]},
    ]);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("image.tar");
    let mut tar = tar::Builder::new(std::fs::File::create(&path).unwrap());
    for (name, mut bytes) in [
        (config_name.as_str(), config.into_bytes()),
        ("layer.tar", layer),
        ("manifest.json", list.to_string().into_bytes()),
    ] {
        change(name, &mut bytes);
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        tar.append_data(&mut header, name, bytes.as_slice()).unwrap();
    }
    tar.into_inner().unwrap();
    (dir, path)
}

fn open_docker(
    name: Option<&str>,
    change: impl Fn(&str, &mut Vec<u8>),
) -> Result<Opened, SourceError> {
    let (_dir, path) = docker_archive(change);
    let name = name.map(str::to_owned);
    open(&Location::DockerArchive { path, name })
}

fn replace(bytes: &mut Vec<u8>, from: &str, to: &str) {
    *bytes = String::from_utf8(bytes.clone()).unwrap().replacen(from, to, 1).into_bytes();
}

#[test]
fn a_docker_image_is_chosen_by_name() {
    let same = |_: &str, _: &mut Vec<u8>| {};
    for (name, full) in [("a/b:1", "docker.io/a/b:1"), ("docker.io/a/b:2", "docker.io/a/b:2")] {
        let local = open_docker(Some(name), same).unwrap();
        assert_eq!(local.name, Some(full.parse::<Reference>().unwrap()));
    }
    assert!(matches!(open_docker(Some("a/b:3"), same), Err(SourceError::NotFound(_))));
    assert!(matches!(open_docker(None, same), Err(SourceError::Ambiguous { .. })));
}

#[test]
fn a_docker_image_that_contradicts_itself_is_refused() {
    let with = |member: &'static str, from: &'static str, to: &'static str| {
        let opened = open_docker(Some("a/b:1"), |name, bytes| {
            if name.ends_with(member) {
                replace(bytes, from, to);
            }
        });
        match opened {
            Err(SourceError::Archive(error)) => error,
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("{to} in {member} was taken"),
        }
    };
    assert!(matches!(with("layer.tar", "nobody", "Nobody"), ArchiveError::Digest { .. }));
    assert!(matches!(with("layer.tar", "nobody", "everybody"), ArchiveError::Digest { .. }));
    assert!(matches!(
        with("manifest.json", "[\"layer.tar\"]", "[]"),
        ArchiveError::Layers { expected: 1, found: 0, .. }
    ));
    assert!(matches!(
        with("manifest.json", "layer.tar", "other.tar"),
        ArchiveError::Missing { .. }
    ));
    assert!(matches!(
        with("manifest.json", "layer.tar", "../../etc/passwd"),
        ArchiveError::Missing { .. }
    ));
    assert!(matches!(
        with("manifest.json", "\"Layers\"", "\"Config\":\"x\",\"Layers\""),
        ArchiveError::Json { .. }
    ));
    assert!(matches!(with("manifest.json", "[{", "{"), ArchiveError::Json { .. }));
}

#[test]
fn a_docker_archive_that_is_a_layout_gives_its_own_manifest() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("both.tar");
    let own = local("oci-archive", "umoci.tar", "").source.root().unwrap();
    let blobs: Vec<_> =
        own.blobs().map(|blob| format!("blobs/sha256/{}", blob.digest.hex())).collect();
    let list = serde_json::json!([
        {"Config": blobs[0], "RepoTags": ["made/of-parts:1"], "Layers": [blobs[1]]},
    ]);
    let mut tar = tar::Builder::new(Vec::new());
    let umoci = std::fs::File::open(format!("{ARCHIVES}/umoci.tar")).unwrap();
    for entry in tar::Archive::new(umoci).entries().unwrap() {
        let entry = entry.unwrap();
        tar.append(&entry.header().clone(), entry).unwrap();
    }
    let mut header = tar::Header::new_ustar();
    let list = list.to_string();
    header.set_size(list.len() as u64);
    tar.append_data(&mut header, "manifest.json", list.as_bytes()).unwrap();
    std::fs::write(&path, tar.into_inner().unwrap()).unwrap();
    let open = |name: Option<&str>| {
        let name = name.map(str::to_owned);
        open(&Location::DockerArchive { path: path.clone(), name }).unwrap()
    };
    assert_eq!(open(None).source.root().unwrap().raw(), own.raw());
    let made = open(Some("made/of-parts:1")).source;
    assert_ne!(made.root().unwrap().raw(), own.raw());
    assert_eq!(walk(&*made), walk(&*open(None).source));
}

#[test]
fn a_config_that_was_changed_is_refused() {
    let opened = open_docker(Some("a/b:1"), |name, bytes| {
        if name.len() > 64 {
            replace(bytes, "layers", "Layers");
        }
    });
    assert!(matches!(opened, Err(SourceError::Archive(ArchiveError::Digest { .. }))));
}

#[test]
fn a_compressed_layer_is_carried_as_it_is() {
    let opened = open_docker(Some("a/b:1"), |name, bytes| {
        if name == "layer.tar" {
            *bytes = b"\x1f\x8bnot really".to_vec();
        }
    });
    let manifest = opened.unwrap().source.root().unwrap();
    let Content::Image { layers, .. } = manifest.content() else { panic!("{manifest:?}") };
    assert_eq!(layers[0].media_type.as_str(), "application/vnd.oci.image.layer.v1.tar+gzip");
    assert_eq!(layers[0].digest, Digest::of(b"\x1f\x8bnot really"));
}
