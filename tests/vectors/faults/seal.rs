//! Faults of the seal, its signatures and the sums.

use super::super::good::{resealed, signed_by};
use super::*;

pub(super) fn all() -> Vec<Vector> {
    let groups = [signatures(), spellings(), admission(), sums(), counts()];
    groups.into_iter().flatten().collect()
}

fn release_signature() -> String {
    build::signature_name(&build::key("release"))
}

fn signatures() -> Vec<Vector> {
    let signature = release_signature();
    vec![
        changed("seal-flipped", "bad-signature", "A bit of the seal is another.", |files| {
            flip(files, "seal");
        }),
        changed("seal-missing", "missing", "There is no seal.", |files| {
            files.remove("seal");
        }),
        changed("signature-flipped", "bad-signature", "A bit of the signature is another.", |it| {
            flip(it, &signature);
        }),
        changed("signature-short", "bad-signature", "The signature lacks its last byte.", |it| {
            it.get_mut(&signature).expect("it is there").pop();
        }),
        changed(
            "signature-second-form",
            "bad-signature",
            "The group's order was added to S: the other form of a good signature.",
            |it| add_order(&mut it.get_mut(&signature).expect("it is there")[32..]),
        ),
        changed(
            "signature-too-large",
            "too-many-signatures",
            "A signature of 8 KiB and one byte.",
            |it| {
                it.insert(signature.clone(), vec![0; 8 * 1024 + 1]);
            },
        ),
        changed("signatures-too-many", "too-many-signatures", "17 signatures.", |files| {
            for number in 1..=16 {
                files.insert(format!("seal.{number:064x}.sig"), vec![0; 64]);
            }
        }),
        Vector::new(
            "signature-of-stranger",
            not_allowed("threshold"),
            "The only signature is good and of a key that is not trusted.",
            signed_by(&["stranger"]),
        ),
        Vector::new(
            "signature-none",
            not_allowed("threshold"),
            "There is no signature.",
            signed_by(&[]),
        ),
        changed(
            "signature-under-other-name",
            "bad-signature",
            "The stranger's signature under the name of the trusted key.",
            |it| {
                let strangers = signed_by(&["stranger"]);
                let stranger = build::signature_name(&build::key("stranger"));
                it.insert(signature.clone(), strangers[&stranger].clone());
            },
        ),
        Vector {
            trust: &["release", "second"],
            threshold: 2,
            ..Vector::new(
                "signature-one-of-two",
                not_allowed("threshold"),
                "Two keys must sign, one did.",
                signed_by(&["release"]),
            )
        },
        Vector {
            trust: &["release", "second"],
            ..Vector::new(
                "signature-second-bad",
                damaged("bad-signature"),
                "One signature would do and is good; that of another trusted key is bad.",
                {
                    let mut files = signed_by(&["release", "second"]);
                    flip(&mut files, &build::signature_name(&build::key("second")));
                    files
                },
            )
        },
    ]
}

/// Adds the order of the group (RFC 8032, 5.1) to a little-endian number.
fn add_order(number: &mut [u8]) {
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
        0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut carry = 0;
    for (byte, add) in number.iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        *byte = sum as u8;
        carry = sum >> 8;
    }
}

/// Seals that are signed and not in the one spelling.
fn spellings() -> Vec<Vector> {
    let mut found: Vec<Vector> = [
        ("seal-crlf", "Lines end in CR LF.", "\n", "\r\n"),
        ("seal-bom", "A byte-order mark before the first line.", "gap", "\u{feff}gap"),
        ("seal-duplicate-line", "A line stands twice.", "epoch: 1\n", "epoch: 1\nepoch: 1\n"),
        (
            "seal-unknown-line",
            "A line that version 1 does not have.",
            "trust: ",
            "note: x\ntrust: ",
        ),
        ("seal-missing-line", "A line is not there.", "epoch: 1\n", ""),
        (
            "seal-reordered",
            "Two lines have changed places.",
            "epoch: 1\nsequence: 7\n",
            "sequence: 7\nepoch: 1\n",
        ),
        ("seal-leading-zero", "A number has a leading zero.", "sequence: 7", "sequence: 07"),
        ("seal-sign", "A number has a sign.", "sequence: 7", "sequence: +7"),
        ("seal-number-too-large", "A number of 65 bits.", "e: 7", "e: 18446744073709551616"),
        ("seal-two-spaces", "Two spaces behind a colon.", "epoch: 1", "epoch:  1"),
        ("seal-no-such-day", "The thirtieth of February.", "1999-12-31", "1999-02-30"),
        ("seal-stream-with-space", "A space in the stream's name.", "vectors", "vec tors"),
        ("seal-version-2", "The first line is that of another version.", "seal v1", "seal v2"),
        ("seal-upper-case-digest", "A digest in upper case.", "none", UPPER),
        ("seal-other-algorithm", "A digest that is not SHA-256.", "sums: sha256", "sums: sha512"),
    ]
    .into_iter()
    .map(|(name, what, from, to)| {
        Vector::new(name, damaged("bad-seal"), what, rewritten(|seal| seal.replacen(from, to, 1)))
    })
    .collect();
    found.push(Vector::new(
        "seal-trailing-line",
        damaged("bad-seal"),
        "An empty line behind the last.",
        rewritten(|seal| seal + "\n"),
    ));
    found.push(Vector::new(
        "seal-no-last-line-feed",
        damaged("bad-seal"),
        "The last line has no line feed.",
        rewritten(|seal| seal.trim_end().to_owned()),
    ));
    found.push(Vector::new(
        "seal-too-large",
        damaged("too-large"),
        "A seal of more than 16 KiB, of well-formed lines.",
        rewritten(|seal| {
            let bases: String =
                (0..220).map(|number| format!("requires: sha256:{number:064x}\n")).collect();
            seal.replace("trust: ", &format!("{bases}trust: "))
        }),
    ));
    found
}

const UPPER: &str = "sha256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// The good bundle with its seal rewritten and then signed.
fn rewritten(edit: impl FnOnce(String) -> String) -> Files {
    let content = build::content();
    let sums = build::sums(&content);
    let seal = edit(build::seal(&content, &sums));
    build::signed(content, &sums, seal.as_bytes(), &["release"])
}

/// Genuine, and not for here and now.
fn admission() -> Vec<Vector> {
    let refused =
        |name, code, what, from, to| Vector::new(name, not_allowed(code), what, resealed(from, to));
    vec![
        refused("expired", "expired", "It expired in 2000.", "never", "2000-01-01T00:00:00Z"),
        refused(
            "destination-and-no-site",
            "wrong-destination",
            "For a site, verified where the site has no name.",
            "destination: any",
            "destination: plant-7",
        ),
        Vector {
            site: Some("plant-8"),
            ..refused(
                "destination-other",
                "wrong-destination",
                "For another site.",
                "destination: any",
                "destination: plant-7",
            )
        },
        refused(
            "trust-number",
            "unknown-trust",
            "Its maker knew a trust document that nobody has here.",
            "trust: 0",
            "trust: 3",
        ),
    ]
}

fn sums() -> Vec<Vector> {
    vec![
        changed("sums-flipped", "damaged", "A bit of SHA256SUMS is another.", |files| {
            flip(files, "SHA256SUMS");
        }),
        changed(
            "sums-long",
            "wrong-size",
            "SHA256SUMS has a byte more than the seal says.",
            |it| {
                it.get_mut("SHA256SUMS").expect("it is there").push(b'\n');
            },
        ),
        changed("sums-missing", "missing", "There is no SHA256SUMS.", |files| {
            files.remove("SHA256SUMS");
        }),
        sums_fault("sums-unsorted", "The first two lines have changed places.", |sums| {
            let mut lines: Vec<&str> = sums.split_inclusive('\n').collect();
            lines.swap(0, 1);
            lines.concat()
        }),
        sums_fault("sums-duplicate-line", "The first line stands twice.", |sums| {
            let line = sums.split_inclusive('\n').next().expect("it has lines");
            format!("{line}{sums}")
        }),
        sums_fault("sums-upper-case", "A digest in upper case.", |sums| {
            let (hex, rest) = sums.split_at(64);
            hex.to_uppercase() + rest
        }),
        sums_fault("sums-binary-mark", "The star of `sha256sum -b`.", |sums| {
            sums.replacen("  ", " *", 1)
        }),
        sums_fault("sums-crlf", "Lines end in CR LF.", |sums| sums.replace('\n', "\r\n")),
        sums_fault("sums-unknown-file", "It lists a file that no bundle has.", |sums| {
            format!("{sums}{:064x}  readme.txt\n", 1)
        }),
        sums_fault("sums-climbing-name", "It lists a name that leaves the bundle.", |sums| {
            format!("{:064x}  ../seal\n{sums}", 1)
        }),
        sums_fault("sums-lists-seal", "It lists the seal.", |sums| {
            format!("{sums}{:064x}  seal\n", 1)
        }),
        sums_fault("sums-blob-other-digest", "A blob's digest is not its name.", |sums| {
            format!("{:064x}{}", 1, &sums[64..])
        }),
        sums_fault("sums-without-lading", "It does not list lading.json.", |sums| {
            let lines = sums.split_inclusive('\n').filter(|line| !line.contains("lading.json"));
            lines.collect()
        }),
        sums_fault("sums-empty", "It is empty.", |_| String::new()),
    ]
}

/// Sums that are rewritten, and then sealed and signed.
fn sums_fault(
    name: &'static str,
    what: &'static str,
    edit: impl FnOnce(String) -> String,
) -> Vector {
    let content = build::content();
    let sums = edit(build::sums(&content));
    let seal = build::seal(&content, &sums);
    let files = build::signed(content, &sums, seal.as_bytes(), &["release"]);
    Vector::new(name, damaged("bad-sums"), what, files)
}

fn counts() -> Vec<Vector> {
    [
        ("seal-counts-images", "The seal counts two images, there is one.", "s: 1", "s: 2"),
        ("seal-counts-files", "The seal counts eight files, there are seven.", "s: 7\n", "s: 8\n"),
        (
            "seal-adds-wrongly",
            "The seal's sum of sizes has a digit too many.",
            "bytes: ",
            "bytes: 1",
        ),
    ]
    .into_iter()
    .map(|(name, what, from, to)| {
        Vector::new(name, damaged("contradiction"), what, resealed(from, to))
    })
    .collect()
}
