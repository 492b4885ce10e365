//! Faults of trust documents, and bundles that they do not allow.

use gapferry::trust::{Purpose, Signer as _};

use super::super::papers::{
    Case, ROOTS, id, judged, key_line, line, name, next, signature_name, signed,
};
use super::*;

pub(super) fn all() -> Vec<Vector> {
    let groups = [spellings(), signatures(), chains(), caps(), streams(), confusions()];
    groups.into_iter().flatten().collect()
}

fn fault(
    name: &'static str,
    code: &'static str,
    what: &'static str,
    edit: impl FnOnce(&mut Case),
) -> Vector {
    judged(name, damaged(code), what, edit)
}

fn refused(
    name: &'static str,
    code: &'static str,
    what: &'static str,
    edit: impl FnOnce(&mut Case),
) -> Vector {
    judged(name, not_allowed(code), what, edit)
}

/// Second documents that are signed and not in the one spelling, or not sound.
fn spellings() -> Vec<Vector> {
    let release = key_line("release");
    let bad = |name, what, edit: &dyn Fn(String) -> String| {
        fault(name, "bad-trust-document", what, |case| case.carry_second(edit))
    };
    let swapped = |text: String| {
        let roots: Vec<&str> = text.lines().filter(|line| line.starts_with("root: ")).collect();
        let (first, second) = (roots[0], roots[1]);
        text.replace(&format!("{first}\n{second}"), &format!("{second}\n{first}"))
    };
    vec![
        bad("trust-crlf", "Lines end in CR LF.", &|it| it.replace('\n', "\r\n")),
        bad("trust-bom", "A byte-order mark before the first line.", &|it| format!("\u{feff}{it}")),
        bad("trust-version-2", "The first line is that of another version.", &|it| {
            it.replace("trust v1", "trust v2")
        }),
        bad("trust-trailing-line", "An empty line behind the last.", &|it| it + "\n"),
        bad("trust-unknown-line", "A line that version 1 does not have.", &|it| it + "note: x\n"),
        bad("trust-missing-line", "A line is not there.", &|it| {
            it.replace("root-threshold: 2\n", "")
        }),
        bad("trust-leading-zero", "A number has a leading zero.", &|it| {
            it.replace("epoch=1", "epoch=01")
        }),
        bad("trust-unsorted", "Two root keys have changed places.", &swapped),
        bad("trust-duplicate-key", "A key stands twice.", &|it| {
            it.replace(&release, &release.repeat(2))
        }),
        bad("trust-key-other-id", "A key has an id that is not its own.", &|it| {
            it.replace(&id("release"), &id("stranger"))
        }),
        bad("trust-key-other-scheme", "A key is listed for another scheme.", &|it| {
            it.replace(&release, &release.replace("ed25519", "ecdsa-p384"))
        }),
        bad("trust-key-weak", "A key of small order.", &|it| {
            let weak = "MCowBQYDK2VwAyEAAQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
            let base64 = release.trim_end().rsplit(' ').next().expect("a key");
            it.replace(base64, weak)
        }),
        bad("trust-option-unknown", "A key has an option that it cannot have.", &|it| {
            it.replace(&release, &release.replace('\n', " verify-required\n"))
        }),
        bad("trust-root-threshold-zero", "No root key must sign.", &|it| {
            it.replace("root-threshold: 2", "root-threshold: 0")
        }),
        bad("trust-root-threshold-high", "Three of two root keys must sign.", &|it| {
            it.replace("root-threshold: 2", "root-threshold: 3")
        }),
        bad("trust-stream-threshold-zero", "A stream needs no key.", &|it| {
            it.replace("threshold=1", "threshold=0")
        }),
        bad("trust-stream-unlisted-key", "A stream has a key that is not listed.", &|it| {
            it.replace(&release, "")
        }),
        bad("trust-previous-none", "The second document has none before it.", &|it| {
            let previous = line(&it, "previous: ").to_owned();
            it.replace(&previous, "previous: none")
        }),
    ]
}

fn signatures() -> Vec<Vector> {
    let second = |case: &mut Case, keys: &[&str]| {
        let document = next(&case.first);
        case.carry(2, &document, keys);
    };
    // `ssh` gives way to `stranger`.
    let other_roots = |case: &mut Case, keys: &[&str]| {
        let old = line(&case.first, &format!("root: {}", id("ssh"))).to_owned();
        let new = key_line("stranger").replace("key: ", "root: ").trim_end().to_owned();
        let kept = line(&case.first, &format!("root: {}", id("second"))).to_owned();
        let mut roots = [kept.clone(), new];
        roots.sort();
        let mut lines: Vec<String> = next(&case.first).lines().map(str::to_owned).collect();
        lines.retain(|line| *line != old && *line != kept);
        let at = lines.iter().position(|line| line.starts_with("key: ")).expect("it is there");
        lines.splice(at..at, roots);
        case.carry(2, &(lines.join("\n") + "\n"), keys);
    };
    vec![
        refused("trust-signature-none", "root-threshold", "Nobody signed the document.", |case| {
            second(case, &[]);
        }),
        refused("trust-signature-one", "root-threshold", "One of two root keys signed.", |case| {
            second(case, &["ssh"]);
        }),
        refused(
            "trust-signature-of-stranger",
            "root-threshold",
            "One root key and a stranger signed.",
            |case| second(case, &["ssh", "stranger"]),
        ),
        refused(
            "trust-signature-of-sealer",
            "root-threshold",
            "One root key and a key that seals bundles signed.",
            |case| second(case, &["second", "release"]),
        ),
        refused(
            "trust-new-roots-alone",
            "root-threshold",
            "The document's own root keys signed, and not enough of those before.",
            |case| other_roots(case, &["second", "stranger"]),
        ),
        refused(
            "trust-old-roots-alone",
            "root-threshold",
            "The root keys before signed, and not enough of the document's own.",
            |case| other_roots(case, ROOTS),
        ),
        fault(
            "trust-signature-flipped",
            "bad-signature",
            "A bit of a root key's signature is another.",
            |case| {
                second(case, ROOTS);
                flip(&mut case.beside, &signature_name(2, "second"));
            },
        ),
        fault(
            "trust-document-flipped",
            "bad-signature",
            "A bit of the document is another.",
            |case| {
                second(case, ROOTS);
                flip(&mut case.beside, &name(2));
            },
        ),
        fault(
            "trust-signature-namespace",
            "wrong-namespace",
            "An SSH signature over the document that was made for seals.",
            |case| {
                second(case, ROOTS);
                let document = next(&case.first);
                let made = build::key("ssh").sign(Purpose::Seal, document.as_bytes());
                case.beside.insert(signature_name(2, "ssh"), made.expect("a key in memory signs"));
            },
        ),
    ]
}

/// Documents that are sound and signed, and do not continue what the site accepted.
fn chains() -> Vec<Vector> {
    let broken = |name, what, from: &str, to: &str| {
        fault(name, "trust-contradiction", what, |case| {
            case.carry_second(|it| {
                assert!(it.contains(from), "{from}");
                it.replace(from, to)
            });
        })
    };
    vec![
        broken("trust-other-name", "It has another name.", "name: vectors", "name: victors"),
        broken("trust-older", "It is older than the one before.", "1999-12-30", "1999-12-29"),
        fault(
            "trust-other-previous",
            "trust-contradiction",
            "Its `previous` is the digest of something else.",
            |case| {
                let previous = line(&next(&case.first), "previous: ").to_owned();
                let other = format!("previous: sha256:{}", "ab".repeat(32));
                case.carry_second(|it| it.replace(&previous, &other));
            },
        ),
        fault(
            "trust-other-number",
            "trust-contradiction",
            "The second document says that it is the third.",
            |case| case.carry_second(|it| it.replace("number: 2", "number: 3")),
        ),
        fault(
            "trust-epoch-back",
            "trust-contradiction",
            "The epoch of a stream goes back.",
            |case| {
                case.edit_first("epoch=1", "epoch=2");
                case.carry_second(|it| it.replace("epoch=2", "epoch=1"));
            },
        ),
        fault("trust-gap", "trust-gap", "The third document is there, not the second.", |case| {
            let third = next(&next(&case.first));
            case.carry(3, &third, ROOTS);
            let first = case.first.clone();
            case.carry(1, &first, ROOTS);
        }),
        fault("trust-gap-behind-site", "trust-gap", "It begins two behind the site's.", |case| {
            let third = next(&next(&case.first));
            case.carry(3, &third, ROOTS);
        }),
        fault(
            "trust-fork",
            "trust-fork",
            "Another first document by the same keys than the site accepted.",
            |case| {
                let other = case.first.replace("1999-12-30", "1999-12-31");
                case.carry(1, &other, ROOTS);
            },
        ),
    ]
}

fn caps() -> Vec<Vector> {
    vec![
        fault("trust-too-large", "trust-too-large", "A document of 64 KiB and a byte.", |case| {
            case.beside.insert(name(2), vec![b'x'; 64 * 1024 + 1]);
        }),
        fault(
            "trust-signature-too-large",
            "too-many-trust-signatures",
            "A signature of 8 KiB and a byte.",
            |case| {
                case.carry_second(|it| it);
                case.beside.insert(signature_name(2, "ssh"), vec![b'x'; 8 * 1024 + 1]);
            },
        ),
        fault(
            "trust-signatures-too-many",
            "too-many-trust-signatures",
            "A document with 17 signatures.",
            |case| {
                case.carry_second(|it| it);
                for number in 0..15 {
                    case.beside.insert(format!("trust-000002.{number:064x}.sig"), vec![0; 64]);
                }
            },
        ),
    ]
}

/// Bundles that are genuine and that the newest document does not allow.
fn streams() -> Vec<Vector> {
    let release = key_line("release");
    vec![
        refused(
            "trust-key-revoked",
            "threshold",
            "A newer document on the medium does not name the key that sealed it.",
            |case| {
                let (old, new) = (id("release"), id("stranger"));
                let key = key_line("stranger");
                case.carry_second(|it| it.replace(&release, &key).replace(&old, &new));
            },
        ),
        refused(
            "trust-stream-unknown",
            "unknown-stream",
            "No document knows the stream.",
            |case| case.edit_first("stream: vectors", "stream: vector"),
        ),
        refused(
            "trust-key-of-other-stream",
            "stream-threshold",
            "The key may seal another stream, and not this one.",
            |case| {
                let mut keys = [release.clone(), key_line("stranger")];
                keys.sort();
                case.edit_first(&release, &keys.concat());
                let lab = format!("stream: lab epoch=1 threshold=1 {}\n", id("release"));
                let own = format!("stream: vectors epoch=1 threshold=1 {}", id("release"));
                let other = own.replace(&id("release"), &id("stranger"));
                case.edit_first(&own, &format!("{lab}{other}"));
            },
        ),
        refused(
            "trust-stream-one-of-two",
            "stream-threshold",
            "Two keys must seal the stream, one did.",
            |case| {
                let mut keys = [release.clone(), key_line("stranger")];
                keys.sort();
                case.edit_first(&release, &keys.concat());
                let mut ids = [id("release"), id("stranger")];
                ids.sort();
                let own = format!("threshold=1 {}", id("release"));
                case.edit_first(&own, &format!("threshold=2 {}", ids.join(" ")));
            },
        ),
        refused("trust-key-past", "key-not-valid", "The key's time was over in 2000.", |case| {
            let past = release.replace('\n', " not-after=2000-01-01T00:00:00Z\n");
            case.edit_first(&release, &past);
        }),
        refused(
            "trust-root-past",
            "root-keys-past",
            "A root key's time was over in 2000.",
            |case| {
                let root = line(&case.first, &format!("root: {}", id("ssh"))).to_owned();
                case.edit_first(&root, &format!("{root} not-after=2000-01-01T00:00:00Z"));
                case.carry_second(|it| it);
            },
        ),
        refused("trust-epoch-other", "wrong-epoch", "The seal is of an epoch before.", |case| {
            case.edit_first("epoch=1", "epoch=2");
        }),
        refused(
            "trust-number-ahead",
            "unknown-trust",
            "Its maker knew a document that is not there.",
            |case| case.seal = case.seal.replace("trust: 1", "trust: 2"),
        ),
    ]
}

/// One kind of file in the place of another.
fn confusions() -> Vec<Vector> {
    vec![
        fault(
            "trust-is-a-seal",
            "bad-trust-document",
            "The seal, signed by the root keys, in the place of a document.",
            |case| {
                let seal = case.seal.clone();
                case.carry(2, &seal, ROOTS);
            },
        ),
        fault(
            "seal-is-a-trust-document",
            "bad-seal",
            "A trust document, signed by the release key, in the place of the seal.",
            |case| case.seal = case.first.clone(),
        ),
        fault("sums-lists-trust", "bad-sums", "SHA256SUMS lists a trust document.", |case| {
            let first = case.first.clone();
            case.beside.extend(signed(1, &first, ROOTS));
            case.resum(|sums| format!("{sums}{:064x}  trust-000001\n", 1));
        }),
    ]
}
