//! Cases on the connected side: archives and layouts that anybody may have made.

use gapferry::oci::Digest;
use serde_json::{Value, json};

use crate::build::{self, Files};
use crate::content::{grow, in_little_memory};
use crate::seen::Seen;
use crate::stage::{Stage, TRUST};

/// Exports from this source to each packaging.
fn export(stage: &Stage, source: &str) -> Vec<Seen> {
    let outs = ["out", "out.tar", "out --volume-size 1GiB"];
    let line = |out| format!("export x/y:1={source} --key trusted.key -o {out}");
    outs.iter().map(|out| stage.watch(&line(out))).collect()
}

/// A layout whose `index.json` leads to the last of these documents.
fn layout(documents: &[String]) -> Files {
    let mut files: Files =
        documents.iter().map(|it| (build::blob_name(it.as_bytes()), it.clone().into())).collect();
    let last = documents.last().unwrap();
    let entry = json!([build::descriptor(build::INDEX, last.as_bytes())]);
    let index = json!({"schemaVersion": 2, "manifests": entry});
    files.insert("oci-layout".to_owned(), br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec());
    files.insert("index.json".to_owned(), index.to_string().into());
    files
}

fn index_of(manifests: &[Value]) -> String {
    json!({"schemaVersion": 2, "mediaType": build::INDEX, "manifests": manifests}).to_string()
}

pub(crate) fn deep_and_wide() -> Vec<Seen> {
    let stage = Stage::new();
    let mut nested = vec![index_of(&[])];
    for _ in 0..1000 {
        let inner = build::descriptor(build::INDEX, nested[nested.len() - 1].as_bytes());
        nested.push(index_of(&[inner]));
    }
    stage.put("deep", &layout(&nested));
    let child = |n: u32| build::descriptor(build::MANIFEST, &n.to_be_bytes());
    stage.put("wide", &layout(&[index_of(&(0..100_000).map(child).collect::<Vec<_>>())]));
    stage.put("circle", &circle());
    let mut all = Vec::new();
    for (name, code) in [("deep", "too-deep"), ("wide", "bad-manifest"), ("circle", "bad-manifest")]
    {
        let seen = export(&stage, &format!("oci:{name}"));
        all.extend(seen.into_iter().map(|seen| seen.refused(3, code)));
    }
    all
}

/// Two indexes that name each other. One of the two cannot have its digest.
fn circle() -> Files {
    let named = |digest: &Value, size: usize| json!({"mediaType": build::INDEX, "digest": digest, "size": size});
    let first = "sha256:".to_owned() + &"ab".repeat(32);
    let size = index_of(&[named(&json!(first), 100)]).len();
    let second = index_of(&[named(&json!(first), size)]);
    let back = index_of(&[named(&json!(Digest::of(second.as_bytes())), second.len())]);
    let mut files = layout(&[second]);
    files.insert(format!("blobs/sha256/{}", "ab".repeat(32)), back.into());
    files
}

pub(crate) fn huge_index() -> Vec<Seen> {
    let stage = Stage::new();
    stage.put("layout", &layout(&[index_of(&[])]));
    grow(&stage, "layout/index.json");
    let line = "export x/y:1=oci:layout --key trusted.key -o out";
    vec![in_little_memory(&stage, line).refused(3, "too-large")]
}

fn tiny() -> Vec<u8> {
    let root = env!("CARGO_MANIFEST_DIR");
    std::fs::read(format!("{root}/testdata/archives/skopeo-oci.tar")).unwrap()
}

/// Exports an archive, and sees it refused for this reason.
fn refused(archive: &[u8], why: &str) -> Vec<Seen> {
    let stage = Stage::new();
    stage.work.write("x.tar", archive);
    let sources = ["oci-archive:x.tar", "docker-archive:x.tar"];
    let seen = sources.iter().flat_map(|source| export(&stage, source));
    seen.map(|seen| seen.refused(3, "bad-archive").names(why)).collect()
}

/// A member that links to `to`.
fn link(kind: u8, to: &str) -> Vec<u8> {
    let mut member = build::member("innocent", kind, b"");
    member[157..157 + to.len()].copy_from_slice(to.as_bytes());
    sum(&mut member);
    member
}

/// Writes the checksum of a header.
fn sum(header: &mut [u8]) {
    header[148..156].copy_from_slice(b"        ");
    let sum: u32 = header[..512].iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

pub(crate) fn archives_that_climb() -> Vec<Seen> {
    let members = [
        (build::member("../evil", b'0', b"x"), "leads out of the archive"),
        (build::member("blobs/../../evil", b'0', b"x"), "leads out of the archive"),
        (build::member("/etc/evil", b'0', b"x"), "not a relative path"),
        (link(b'2', "../../etc/passwd"), "links out of the archive"),
        (link(b'2', "/etc/passwd"), "links out of the archive"),
        (link(b'1', "../evil"), "links out of the archive"),
        (link(b'3', ""), "no plain file"),
    ];
    let behind = |member: &[u8]| [member, &tiny()].concat();
    members.iter().flat_map(|(member, why)| refused(&behind(member), why)).collect()
}

/// GNU tar would take the one size, others the other, and see other members behind.
pub(crate) fn other_pax_size() -> Vec<Seen> {
    let pax = build::member("pax", b'x', b"13 size=1024\n");
    let hidden = build::member("index.json", b'0', b"{}");
    let member = build::member("innocent", b'0', &hidden[..512]);
    refused(&[pax, member, tiny()].concat(), "size")
}

pub(crate) fn cut_archive() -> Vec<Seen> {
    let whole = tiny();
    [513, 600, 1000].iter().flat_map(|at| refused(&whole[..*at], "end")).collect()
}

/// Names that a maker signed, and names on the command line.
pub(crate) fn names_with_escapes() -> Vec<Seen> {
    let evil = "\u{1b}[2J\u{9b}5m\r\n\u{202e}x";
    let mut content = build::content();
    let mut lading: Value = serde_json::from_slice(&content["lading.json"]).unwrap();
    lading["images"][0]["why"] = json!([evil]);
    content.insert("lading.json".to_owned(), lading.to_string().into());
    let stage = Stage::with(&build::bundle(content));
    let shown = format!("inspect b {TRUST}");
    let nowhere = format!("verify no\u{1b}[2Jwhere\u{9b} {TRUST}");
    for line in [&shown, &nowhere] {
        for form in ["table", "json"] {
            let output = stage.work.run(&format!("{line} --output {form}"));
            let text = [output.stdout, output.stderr].concat();
            let text = String::from_utf8(text).unwrap();
            let active = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
            assert!(!text.contains(active) && text.contains("\\u"), "{text:?}");
        }
    }
    vec![
        stage.watch(&shown).passes(),
        stage.watch(&nowhere).refused(1, "file"),
        stage.import_b().passes(),
    ]
}
