//! What is opened and read, seen by strace: nothing past the caps before the signatures hold.

use std::collections::{BTreeMap, BTreeSet};

use crate::seen::Seen;
use crate::stage::{Stage, TRUST, tree};

/// A command, and what it did with files.
pub(crate) struct Trace {
    pub seen: Seen,
    /// What was opened, as it was named.
    pub opened: Vec<String>,
    /// What was opened to be written.
    pub written: Vec<String>,
    /// From which file, from which byte on (`None`: from where it was), how many bytes.
    pub reads: Vec<(String, Option<u64>, u64)>,
    /// Other calls by which bytes of a file can be had.
    pub others: Vec<String>,
}

const OPENS: [&str; 4] = ["open", "openat", "openat2", "creat"];
const READS: [&str; 2] = ["read", "pread64"];
const OTHERS: [&str; 7] =
    ["mmap", "readv", "preadv", "preadv2", "sendfile", "splice", "copy_file_range"];

impl Trace {
    /// Runs gapferry under strace.
    pub fn of(stage: &Stage, line: &str) -> Trace {
        let calls = [&OPENS[..], &READS, &OTHERS].concat().join(",");
        let exe = env!("CARGO_BIN_EXE_gapferry");
        let line = format!(
            "strace -f -y -qq -s 0 -e trace={calls} -e signal=none -o calls {exe} {line} --output json"
        );
        let mut command = stage.work.tool(&line);
        command.env("RAYON_NUM_THREADS", "1");
        let seen = stage.watch_command(command);
        let log = String::from_utf8(stage.work.read("calls")).unwrap();
        let (opened, written, reads, others) = Default::default();
        let mut trace = Trace { seen, opened, written, reads, others };
        let mut unfinished = BTreeMap::new();
        for line in log.lines() {
            trace.take(line, &mut unfinished);
        }
        trace
    }

    /// One line of strace's: a call, or the first or second half of one.
    fn take<'a>(&mut self, line: &'a str, unfinished: &mut BTreeMap<&'a str, &'a str>) {
        let (process, line) = line.split_once(' ').unwrap();
        let line = line.trim_start();
        if let Some(begin) = line.strip_suffix(" <unfinished ...>") {
            unfinished.insert(process, begin);
            return;
        }
        let (call, end) = match line.strip_prefix("<... ") {
            Some(rest) => (unfinished.remove(process).unwrap(), rest),
            None => (line, line),
        };
        let Some((name, arguments)) = call.split_once('(') else { return };
        // What failed gave nothing; but what was tried to be opened counts.
        let (_, result) = end.rsplit_once(" = ").unwrap_or((end, "?"));
        let count = result.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().ok();
        self.call(name, arguments, &format!("{arguments} {end}"), count);
    }

    fn call(&mut self, name: &str, arguments: &str, whole: &str, count: Option<u64>) {
        // `-y` writes what a descriptor is behind it.
        let file = || arguments.split_once('<')?.1.split_once('>').map(|it| it.0.to_owned());
        if OPENS.contains(&name) {
            let path = arguments.split('"').nth(1).unwrap().to_owned();
            let is = |flag: &str| arguments.contains(flag);
            if is("O_WRONLY") || is("O_RDWR") || is("O_CREAT") || name == "creat" {
                self.written.push(path.clone());
            }
            if !is("O_DIRECTORY") && !is("O_PATH") {
                self.opened.push(path);
            }
        } else if let (true, Some(file)) = (READS.contains(&name), file()) {
            let inside = whole.split(" = ").next().unwrap().trim_end().trim_end_matches(')');
            let at = || inside.rsplit(", ").next()?.parse().ok();
            let from = (name == "pread64").then(|| at().unwrap());
            self.reads.push((file, from, count.unwrap_or(0)));
        } else if let Some(file) = file() {
            self.others.push(file);
        }
    }
}

/// The bytes of each file of the bundle `b` that may be read: frames of archives, and the content
/// of what `may` allows.
fn allowed(stage: &Stage, may: impl Fn(&str) -> bool) -> BTreeMap<String, Vec<bool>> {
    let root = stage.path("b").canonicalize().unwrap();
    let files = tree(&root).into_iter().map(|(name, bytes)| {
        // The path of an archive joined with nothing has a slash at its end.
        let path = root.join(&name).components().collect::<std::path::PathBuf>();
        let name = path.file_name().unwrap().to_str().unwrap();
        let bytes = match bytes.get(257..262) == Some(b"ustar") {
            true => frames(&bytes, &may),
            false => vec![may(name); bytes.len()],
        };
        (path.display().to_string(), bytes)
    });
    files.collect()
}

fn frames(archive: &[u8], may: &impl Fn(&str) -> bool) -> Vec<bool> {
    let mut allowed = vec![true; archive.len()];
    let mut at = 0;
    while archive[at] != 0 {
        let (name, size) = header(&archive[at..]);
        if !may(&name) {
            allowed[at + 512..at + 512 + size].fill(false);
        }
        at += 512 + size.next_multiple_of(512);
    }
    allowed
}

fn header(block: &[u8]) -> (String, usize) {
    let name = block[..100].split(|byte| *byte == 0).next().unwrap();
    let size = std::str::from_utf8(&block[124..135]).unwrap();
    (String::from_utf8(name.to_vec()).unwrap(), usize::from_str_radix(size, 8).unwrap())
}

/// Asserts that of the bundle nothing was read but what is allowed; how many bytes that was.
fn assert_within(trace: &Trace, allowed: &BTreeMap<String, Vec<bool>>) -> u64 {
    let mut all = 0;
    for (file, from, count) in &trace.reads {
        let Some(allowed) = allowed.get(file) else { continue };
        let from = from.unwrap_or_else(|| panic!("{file}: read without saying from where"));
        let read = &allowed[from as usize..(from + count) as usize];
        assert!(read.iter().all(|it| *it), "{file}: {count} bytes from {from} on were read");
        all += count;
    }
    let other = trace.others.iter().find(|file| allowed.contains_key(*file));
    assert_eq!(other, None, "read in another way");
    let closed = allowed.iter().filter(|(_, bytes)| !bytes.is_empty() && !bytes.contains(&true));
    let closed: BTreeSet<&str> = closed.map(|(file, _)| file.rsplit('/').next().unwrap()).collect();
    let opened = trace.opened.iter().find(|it| closed.contains(it.rsplit('/').next().unwrap()));
    assert_eq!(opened, None, "opened, and may not be");
    all
}

/// A bundle in each packaging, with blobs that are longer than any cap.
fn bundles() -> impl Iterator<Item = Stage> {
    ["", ".tar", " --volume-size 2MiB"].into_iter().map(|more| {
        let stage = Stage::new();
        let images = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/images");
        let image = format!("oci:{images}:tools/plain:1.0");
        stage.work.ok(&format!("export {image} --key trusted.key --pack never -o b{more}"));
        if more == ".tar" {
            std::fs::rename(stage.path("b.tar"), stage.path("b")).unwrap();
        }
        stage
    })
}

/// Turns a bit in the middle of every file, or member of an archive, of such a name.
fn flip(stage: &Stage, is: impl Fn(&str) -> bool) {
    for (name, mut bytes) in tree(&stage.path("b")) {
        let path = stage.path("b").join(&name).components().collect::<std::path::PathBuf>();
        if bytes.get(257..262) != Some(b"ustar") {
            if is(name.to_str().unwrap()) {
                let middle = bytes.len() / 2;
                bytes[middle] ^= 1;
                std::fs::write(path, bytes).unwrap();
            }
            continue;
        }
        let mut at = 0;
        while bytes[at] != 0 {
            let (name, size) = header(&bytes[at..]);
            bytes[at + 512 + size / 2] ^= u8::from(is(&name));
            at += 512 + size.next_multiple_of(512);
        }
        std::fs::write(path, bytes).unwrap();
    }
}

fn is_signature(name: &str) -> bool {
    name.starts_with("seal.") && name.ends_with(".sig")
}

/// Each way to use a bundle.
fn uses(trust: &str) -> [String; 3] {
    [
        format!("verify b {trust}"),
        format!("import b {trust} --to oci:target"),
        format!("unpack b {trust} -o out"),
    ]
}

#[test]
fn nothing_but_seal_and_signatures_is_read_before_they_hold() {
    for stage in bundles() {
        let head = allowed(&stage, |name| name == "seal" || is_signature(name));
        // Nobody here trusts the key that signed.
        for line in uses("--trust release.key.pub") {
            let trace = Trace::of(&stage, &line);
            assert!(assert_within(&trace, &head) > 300, "it did read the seal");
            trace.seen.refused(4, "threshold");
        }
        flip(&stage, is_signature);
        for line in uses(TRUST) {
            let trace = Trace::of(&stage, &line);
            assert!(assert_within(&trace, &head) > 300, "it did read the seal");
            trace.seen.refused(3, "bad-signature");
        }
        assert!(!stage.path("out").exists());
    }
}

#[test]
fn nothing_but_the_sums_is_read_before_they_hold() {
    for stage in bundles() {
        let is_sums = |name: &str| name == "SHA256SUMS";
        flip(&stage, is_sums);
        let head = |name: &str| name == "seal" || is_signature(name) || is_sums(name);
        let head = allowed(&stage, head);
        for line in uses(TRUST) {
            let trace = Trace::of(&stage, &line);
            assert!(assert_within(&trace, &head) > 600, "it did read the sums");
            trace.seen.refused(3, "damaged");
        }
    }
}

#[test]
fn nothing_past_the_caps_is_read() {
    for (file, size, code) in [
        ("seal", 16 * 1024 + 1, "too-large"),
        ("seal", 1 << 30, "too-large"),
        (".sig", 8 * 1024 + 1, "too-many-signatures"),
        (".sig", 1 << 30, "too-many-signatures"),
    ] {
        let stage = bundles().next().unwrap();
        let name =
            tree(&stage.path("b")).into_keys().find(|name| name.to_str().unwrap().ends_with(file));
        let path = stage.path("b").join(name.unwrap());
        std::fs::File::options().write(true).open(&path).unwrap().set_len(size).unwrap();
        for line in uses(TRUST) {
            let trace = Trace::of(&stage, &line);
            trace.seen.refused(3, code);
            let path = path.canonicalize().unwrap().display().to_string();
            let of_it = trace.reads.iter().filter(|(file, ..)| *file == path);
            assert_eq!(of_it.map(|(.., count)| count).sum::<u64>(), 0, "{file} of {size} bytes");
        }
    }
}

#[test]
fn what_is_longer_than_signed_is_not_read() {
    for name in ["SHA256SUMS", "oci-layout", "index.json", "lading.json", "catalog.json.zst"] {
        let stage = bundles().next().unwrap();
        let path = stage.path("b").join(name).canonicalize().unwrap();
        std::fs::File::options().write(true).open(&path).unwrap().set_len(1 << 30).unwrap();
        for line in uses(TRUST) {
            let trace = Trace::of(&stage, &line);
            let read = trace.reads.iter().find(|(file, ..)| *file == path.to_str().unwrap());
            assert_eq!(read, None, "{name}");
            assert_eq!(trace.seen.exit, Some(3), "{name}: {:?}", trace.seen);
        }
    }
}

/// A site that goes by trust documents: those on the medium may be read too, and no more while they
/// or the keys that they name do not hold.
#[test]
fn nothing_is_read_before_trust_documents_hold() {
    for (vector, exit, code) in [
        ("trust-signature-none", 4, "root-threshold"),
        ("trust-signature-flipped", 3, "bad-signature"),
        ("trust-new-roots-alone", 4, "root-threshold"),
        ("trust-gap", 3, "trust-gap"),
        ("trust-key-revoked", 4, "threshold"),
        ("trust-too-large", 3, "trust-too-large"),
    ] {
        let (stage, directory) = (Stage::new(), crate::build::vectors().join(vector));
        crate::vector::remember(&stage, &directory);
        stage.put("b", &bundle_of(&directory));
        let is_head = |name: &str| name == "seal" || is_signature(name);
        let head = allowed(&stage, |name| is_head(name) || name.starts_with("trust-"));
        for line in uses("") {
            let trace = Trace::of(&stage, &line);
            assert!(assert_within(&trace, &head) > 300, "it did read the documents");
            trace.seen.refused(exit, code);
        }
    }
}

/// The files of a vector's bundle.
fn bundle_of(vector: &std::path::Path) -> crate::build::Files {
    let files = tree(&vector.join("bundle")).into_iter();
    files.map(|(name, bytes)| (name.display().to_string(), bytes)).collect()
}

/// The log does show what is read: of a good bundle every byte is.
#[test]
fn what_is_read_is_seen() {
    for stage in bundles() {
        let all = allowed(&stage, |_| true);
        let trace = Trace::of(&stage, &uses(TRUST)[0]);
        let bytes: usize = all.values().map(Vec::len).sum();
        assert!(assert_within(&trace, &all) as usize >= bytes - 1024, "not all of it was read");
        assert_eq!(trace.written.iter().find(|it| it.contains("/b/")), None);
        trace.seen.passes();
    }
}
