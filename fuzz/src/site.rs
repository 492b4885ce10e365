//! What a site keeps and what it is told: trust documents, the memory, policies, signatures of
//! cosign; and what a maker finds beside an unfinished bundle.

use std::path::Path;
use std::sync::OnceLock;

use gapferry::audit::{self, Checkpoint, Record};
use gapferry::bundle::Packaging;
use gapferry::export::Journal;
use gapferry::oci::{Descriptor, Digest, Manifest, MediaType, Repository};
use gapferry::policy::cosign::{Claimed, Key};
use gapferry::policy::{Policy, PolicyError};
use gapferry::receipt::Receipt;
use gapferry::target::Sessions as _;
use gapferry::trust::Note;
use gapferry::{import, memory, trust};

pub fn document(data: &[u8]) {
    if let Ok(document) = trust::Document::parse(data) {
        assert_eq!(document.to_bytes(), data);
    }
}

/// The memory, and a head that fits it: behind `head: `, if that is there.
pub fn memory(data: &[u8]) {
    let directory = tempfile::tempdir().expect("a directory");
    let write = |name: &str, bytes: &[u8]| {
        std::fs::write(directory.path().join(name), bytes).expect("a file");
    };
    let mark = b"\nhead: ";
    match data.windows(mark.len()).position(|window| window == mark) {
        Some(at) => {
            write("memory", &data[..=at]);
            write("memory.head", &data[at + mark.len()..]);
        }
        None => write("memory", data),
    }
    let _ = memory::read(directory.path());
}

pub fn policy(data: &[u8]) {
    let key = |_: &str| Ok::<_, PolicyError>(COSIGN.to_owned());
    let _ = Policy::parse(data, key);
}

const COSIGN: &str = include_str!("../../testdata/cosign.pub");

/// A payload, a bundle, and a signature in base64: none of them is the key's.
pub fn cosign(data: &[u8]) {
    static IMAGE: OnceLock<(Key, Manifest)> = OnceLock::new();
    let (key, image) = IMAGE.get_or_init(|| {
        let raw = br#"{"schemaVersion":2,"config":{"mediaType":"a/b","size":0,"digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},"layers":[]}"#;
        let kind = MediaType::new("application/vnd.oci.image.manifest.v1+json").expect("a type");
        let descriptor = Descriptor::new(kind, Digest::of(raw), raw.len() as u64);
        let image = Manifest::parse(descriptor, raw.to_vec()).expect("a manifest");
        (Key::from_pem(COSIGN).expect("a key"), image)
    });
    let digest = image.descriptor().digest;
    let text = String::from_utf8_lossy(data);
    let payload = format!(
        r#"{{"critical":{{"identity":{{}},"image":{{"docker-manifest-digest":"{digest}"}},"type":"cosign container image signature"}}}}"#
    );
    let claims = [
        Claimed::payload(data.to_vec(), "MAA=", &digest),
        Claimed::payload(payload.into_bytes(), &text, &digest),
        Claimed::bundle(data, image),
    ];
    for claimed in claims.into_iter().flatten() {
        let signers = claimed.signers(std::iter::once(key));
        assert!(signers.is_err(), "a forgery counts");
    }
}

/// A log, and each of its lines; what others may write is added to it.
pub fn log(data: &[u8]) {
    for line in data.split_inclusive(|byte| *byte == b'\n') {
        if let Ok(record) = Record::parse(line) {
            assert_eq!(record.to_line(), line);
        }
    }
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("log");
    std::fs::write(&path, data).expect("a file");
    let now = trust::Timestamp::from_unix(1).expect("a time");
    if let Ok(log) = audit::Log::open(&path, now) {
        let read = audit::read(&path, &[], &mut |_, _| {}).expect("it was just closed");
        assert_eq!(read, (log.chain().clone(), audit::Tail::Whole));
        assert!(std::fs::read(&path).expect("a file").starts_with(data));
    }
}

pub fn checkpoint(data: &[u8]) {
    if let Ok(note) = Note::parse(data) {
        assert_eq!(note.to_text().as_bytes(), data);
        let _ = Checkpoint::parse(note.text());
    }
}

pub fn log_proof(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok((proof, ..)) = audit::Proof::parse(&text) {
        assert_eq!(proof.to_text(), text);
    }
}

pub fn receipt(data: &[u8]) {
    if let Ok(receipt) = Receipt::parse(data) {
        assert_eq!(receipt.to_bytes(), data);
    }
}

/// A journal beside a bundle that is not there.
pub fn journal(data: &[u8]) {
    let directory = tempfile::tempdir().expect("a directory");
    let out = directory.path().join("out.tar");
    std::fs::write(Journal::place(&out, Packaging::Archive), data).expect("a file");
    // Lines as the journal has them, whatever the bytes say.
    let lines = data.split(|byte| *byte == b'\n').map(|line| {
        let hex = Digest::of(line).hex();
        [hex.as_bytes(), b" ", line, b"\n"].concat()
    });
    let other = directory.path().join("other.tar");
    let whole: Vec<u8> = lines.flatten().collect();
    std::fs::write(Journal::place(&other, Packaging::Archive), whole).expect("a file");
    for out in [out, other] {
        if let Ok(Some(journal)) = Journal::find(&out, Packaging::Archive) {
            assert!(!journal.is_finished(Path::new(&out), Packaging::Archive));
        }
    }
}

/// The journal of an import, behind its right first line: any bytes, and as whole lines.
pub fn import_journal(data: &[u8]) {
    let directory = tempfile::tempdir().expect("a directory");
    let (seal, place) = (Digest::of(b"seal"), memory::Place::new(b"docker://r.site"));
    let open = || import::Journal::open(directory.path(), seal, &place).expect("a journal");
    let repository = Repository::new("r.site", "a/b").expect("a repository");
    let lines = data.split(|byte| *byte == b'\n').map(|line| {
        let hex = Digest::of(line).hex();
        [hex.as_bytes(), b" ", line, b"\n"].concat()
    });
    for bytes in [data.to_vec(), lines.flatten().collect()] {
        let journal = open();
        journal.note(&repository, &seal, "https://r.site/1");
        let mut text = std::fs::read(journal.path()).expect("a file");
        text.extend(bytes);
        std::fs::write(journal.path(), text).expect("a file");
        for (repository, blob) in open().all() {
            assert!(open().find(&repository, &blob).is_some());
        }
        journal.remove().expect("no file");
    }
}
