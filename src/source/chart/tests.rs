//! Charts as artifacts: the same bytes each time; and archives that nobody means.

use std::io::Read as _;

use super::content::Chart;
use super::*;
use crate::oci::Content;

const HELLO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/select/charts/hello");

/// A tar of these members, compressed.
fn tgz(members: &[(&str, tar::EntryType, &str)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, kind, content) in members {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(*kind);
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        // Past the library's own check of names.
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        if *kind == tar::EntryType::Symlink {
            header.set_size(0);
            header.as_old_mut().linkname[..content.len()].copy_from_slice(content.as_bytes());
        }
        header.set_cksum();
        let content = if header.size().unwrap() == 0 { "" } else { content };
        builder.append(&header, content.as_bytes()).unwrap();
    }
    pack::compress(&builder.into_inner().unwrap()).unwrap()
}

const FILE: tar::EntryType = tar::EntryType::Regular;
const CHART: (&str, tar::EntryType, &str) = ("x/Chart.yaml", FILE, "name: x\nversion: 1.0.0\n");

fn refused(archive: &[u8]) -> ChartError {
    Chart::parse(archive).map(|chart| chart.name).expect_err("it is refused")
}

#[test]
fn a_directory_gives_the_same_artifact_each_time() {
    let dir = tempfile::tempdir().unwrap();
    let copy = dir.path().join("hello");
    for entry in walkdir::WalkDir::new(HELLO).sort_by_file_name() {
        let entry = entry.unwrap();
        let to = copy.join(entry.path().strip_prefix(HELLO).unwrap());
        match entry.file_type().is_dir() {
            true => std::fs::create_dir(to).unwrap(),
            false => std::fs::copy(entry.path(), to).map(drop).unwrap(),
        }
    }
    std::fs::write(copy.join(".hidden"), "x").unwrap();
    let (one, two) =
        (ChartSource::new(Path::new(HELLO)).unwrap(), ChartSource::new(&copy).unwrap());
    assert_eq!(one.root().unwrap().raw(), two.root().unwrap().raw());
    assert_eq!(one.reference().to_string(), "localhost/charts/hello:0.2.0_build.1");
    let digest = one.root().unwrap().descriptor().digest.to_string();
    // Frozen: a chart that was locked once must be found again.
    let frozen = "sha256:3f439422cc22c68c0f2b99cd8004edadfb6aaafe74960f845dcbad38b12a2e8d";
    assert_eq!(digest, frozen);
    let root = one.root().unwrap();
    let Content::Image { layers, .. } = root.content() else { panic!() };
    assert_eq!(layers[0].media_type.as_str(), CHART_LAYER);
    let mut bytes = Vec::new();
    one.blob(&layers[0]).unwrap().proving().read_to_end(&mut bytes).unwrap();
    let chart = Chart::parse(&bytes).unwrap();
    assert_eq!(chart.files, Chart::open(Path::new(HELLO)).unwrap().files);
    assert_eq!(chart.app_version.as_deref(), Some("1.36"));
}

#[test]
fn an_archive_travels_as_it_is_with_its_provenance() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x-1.0.0.tgz");
    let bytes = tgz(&[("x", tar::EntryType::Directory, ""), CHART]);
    std::fs::write(&path, &bytes).unwrap();
    let bare = ChartSource::new(&path).unwrap();
    let blobs: Vec<Descriptor> = bare.root().unwrap().blobs().cloned().collect();
    assert_eq!(blobs[1].digest, Digest::of(&bytes));
    let mut config = String::new();
    bare.blob(&blobs[0]).unwrap().proving().read_to_string(&mut config).unwrap();
    assert_eq!(config, r#"{"name":"x","version":"1.0.0"}"#);
    assert_eq!(blobs[0].media_type.as_str(), CONFIG);
    std::fs::write(dir.path().join("x-1.0.0.tgz.prov"), "signed").unwrap();
    let signed = ChartSource::new(&path).unwrap().root().unwrap();
    assert_eq!(signed.blobs().nth(2).unwrap().digest, Digest::of(b"signed"));
}

#[test]
fn archives_that_lead_elsewhere_are_refused() {
    let link = tar::EntryType::Symlink;
    for (member, expected) in [
        (("x/../../etc/passwd", FILE, "x"), "its name leads elsewhere"),
        (("/etc/passwd", FILE, "x"), "its name leads elsewhere"),
        (("x//y", FILE, "x"), "its name leads elsewhere"),
        (("x/a\\b", FILE, "x"), "its name leads elsewhere"),
        (("Chart.yaml", FILE, "x"), "it lies in no directory"),
        (("x/link", link, "/etc/passwd"), "it is no file"),
        (("x/fifo", tar::EntryType::Fifo, ""), "it is no file"),
        (CHART, "it is there twice"),
    ] {
        let error = refused(&tgz(&[CHART, member]));
        assert!(matches!(error, ChartError::Member { why, .. } if why == expected), "{error}");
    }
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("Chart.yaml"), "name: x\nversion: 1\n").unwrap();
    std::os::unix::fs::symlink("/etc/passwd", dir.path().join("values.yaml")).unwrap();
    assert!(matches!(Chart::open(dir.path()), Err(ChartError::Member { .. })));
}

#[test]
fn archives_that_are_none_or_grow_are_refused() {
    assert!(matches!(refused(b"PK"), ChartError::Gzip(_)));
    let good = tgz(&[CHART]);
    assert!(matches!(refused(&good[..good.len() - 9]), ChartError::Gzip(_)));
    assert!(matches!(refused(&tgz(&[("x/values.yaml", FILE, "")])), ChartError::NoChart));
    assert!(matches!(
        refused(&tgz(&[("x/Chart.yaml", FILE, "name: x\n")])),
        ChartError::Metadata(_)
    ));
    assert!(matches!(refused(&tgz(&[("x/Chart.yaml", FILE, "a: [")])), ChartError::Yaml { .. }));
    let part = pack::compress(&vec![0; 1024 * 1024]).unwrap();
    let files = (0..4).map(|n| (format!("charts/{n}.tgz"), part.clone()));
    let mut chart = Chart::parse(&good).unwrap();
    chart.files.extend(files);
    let mut left = 1024 * 1024 - 1;
    assert!(matches!(chart.parts(&mut left), Err(ChartError::TooLarge(_))));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.tgz");
    std::fs::write(&path, tgz(&[("x/Chart.yaml", FILE, "name: A B\nversion: 1\n")])).unwrap();
    assert!(matches!(ChartSource::new(&path), Err(ChartError::Name(_))));
}
