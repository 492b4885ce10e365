//! Good bundles, where the site remembers something: which it then takes, and which not.
//!
//! The memory is written here by hand after `formats/memory.md`.

use gapferry::oci::Digest;

use super::build::{self, Files};
use super::good::resealed;
use super::{Vector, Verdict};

const NEVER: &str = "sha256:2222222222222222222222222222222222222222222222222222222222222222";

pub(crate) fn all() -> Vec<Vector> {
    [taken(), refused(), damaged()].into_iter().flatten().collect()
}

fn bundle() -> Files {
    build::bundle(build::content())
}

fn with(
    name: &'static str,
    verdict: Verdict,
    what: &'static str,
    files: Files,
    state: Files,
) -> Vector {
    Vector { state, ..Vector::new(name, verdict, what, files) }
}

/// The line of a bundle of the stream `vectors`, without number and digest.
fn import(epoch: u64, sequence: u64, seal: &str) -> String {
    format!("import vectors {epoch} {sequence} {seal} 1999-12-31T00:00:00Z oci:/srv/images")
}

/// The files of a memory with these entries.
fn state(entries: &[String]) -> Files {
    let lines = lines(entries);
    Files::from([
        ("memory".to_owned(), lines.concat().into_bytes()),
        ("memory.head".to_owned(), head(&lines)),
    ])
}

fn lines(entries: &[String]) -> Vec<String> {
    let mut lines = vec!["gapferry memory v1\n".to_owned()];
    for entry in entries {
        let before = Digest::of(lines[lines.len() - 1].as_bytes()).hex();
        lines.push(format!("{} 2000-01-01T00:00:00Z {entry} {before}\n", lines.len() + 1));
    }
    lines
}

fn head(lines: &[String]) -> Vec<u8> {
    let last = Digest::of(lines[lines.len() - 1].as_bytes()).hex();
    format!("gapferry memory head v1\n{} {last}\n", lines.len()).into_bytes()
}

fn taken() -> Vec<Vector> {
    let good = |name, what, files, entries: &[String]| {
        with(name, Verdict::Good, what, files, state(entries))
    };
    let seal = Digest::of(&bundle()["seal"]).to_string();
    let newest = import(1, 6, NEVER);
    let behind = lines(&[import(1, 5, NEVER), newest.clone()]);
    vec![
        good("good-memory-newer", "It comes after what was imported.", bundle(), &[newest]),
        good("good-memory-same", "It was imported before.", bundle(), &[import(1, 7, &seal)]),
        good(
            "good-memory-other-stream",
            "What was imported is of another stream.",
            bundle(),
            &[import(1, 9, NEVER).replace("vectors", "other")],
        ),
        with(
            "good-memory-head-behind",
            Verdict::Good,
            "The head is one line behind the memory, as a killed process leaves it.",
            bundle(),
            Files::from([
                ("memory".to_owned(), behind.concat().into_bytes()),
                ("memory.head".to_owned(), head(&behind[..2])),
            ]),
        ),
    ]
}

fn refused() -> Vec<Vector> {
    let refused = |name, code, what, files, entries: &[String]| {
        with(name, Verdict::Refused { exit: 4, code }, what, files, state(entries))
    };
    let seal = Digest::of(&bundle()["seal"]).to_string();
    let other_epoch = |epoch: u64| resealed("epoch: 1", &format!("epoch: {epoch}"));
    vec![
        refused(
            "replayed",
            "replayed",
            "A newer one was imported.",
            bundle(),
            &[import(1, 7, &seal), import(1, 8, NEVER)],
        ),
        refused(
            "replayed-epoch",
            "replayed",
            "One of a higher epoch was imported, with a lower sequence.",
            bundle(),
            &[import(2, 1, NEVER)],
        ),
        refused(
            "equivocation",
            "equivocation",
            "Another bundle of the same epoch and sequence was imported last.",
            bundle(),
            &[import(1, 7, NEVER)],
        ),
        refused(
            "equivocation-older",
            "equivocation",
            "Another bundle of the same epoch and sequence was imported, and a newer one since.",
            bundle(),
            &[import(1, 7, NEVER), import(1, 8, ELSE)],
        ),
        refused(
            "epoch-higher",
            "unknown-epoch",
            "Of a higher epoch than what was imported, and no trust document says so.",
            other_epoch(2),
            &[import(1, 6, NEVER)],
        ),
        Vector::new(
            "epoch-first",
            Verdict::Refused { exit: 4, code: "unknown-epoch" },
            "Of epoch 2, where nothing was imported.",
            other_epoch(2),
        ),
        refused(
            "expired-by-floor",
            "expired",
            "It expires in the year 9000, and something was signed then.",
            resealed("expires: never", "expires: 9000-01-01T00:00:00Z"),
            &["floor 9000-01-01T00:00:00Z".to_owned()],
        ),
    ]
}

const ELSE: &str = "sha256:3333333333333333333333333333333333333333333333333333333333333333";

/// The bundle is good and newer; the memory is not to be believed.
fn damaged() -> Vec<Vector> {
    let damaged = |name, what, edit: fn(&mut Vec<String>)| {
        let mut lines = lines(&[import(1, 4, NEVER), import(1, 5, ELSE), import(1, 6, NEVER)]);
        let head = head(&lines);
        edit(&mut lines);
        let mut state = Files::from([("memory.head".to_owned(), head)]);
        if !lines.is_empty() {
            state.insert("memory".to_owned(), lines.concat().into_bytes());
        }
        with(name, Verdict::Refused { exit: 3, code: "bad-memory" }, what, bundle(), state)
    };
    vec![
        damaged("memory-line-changed", "A sequence in the memory is another.", |lines| {
            lines[2] = lines[2].replace("vectors 1 5", "vectors 1 3");
        }),
        damaged("memory-line-dropped", "A line of the memory is gone.", |lines| {
            lines.remove(2);
        }),
        damaged("memory-last-line-dropped", "The last line of the memory is gone.", |lines| {
            lines.pop();
        }),
        damaged("memory-lines-swapped", "Two lines of the memory changed places.", |lines| {
            lines.swap(1, 2);
        }),
        damaged("memory-line-twice", "A line of the memory is there twice.", |lines| {
            lines.insert(2, lines[2].clone());
        }),
        damaged("memory-gone", "The head says that there was a memory.", Vec::clear),
        damaged("memory-version", "The memory is of another version.", |lines| {
            lines[0] = lines[0].replace("v1", "v2");
        }),
    ]
}
