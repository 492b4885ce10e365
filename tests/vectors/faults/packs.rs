//! Faults of packs and recipes.

use serde_json::Value;

use super::super::packed::{self, Change};
use super::*;

pub(super) fn all() -> Vec<Vector> {
    let groups = [packs(), recipes(), codings(), destinations()];
    groups.into_iter().flatten().collect()
}

/// A packed bundle whose catalog says something else.
fn edit(
    name: &'static str,
    code: &'static str,
    what: &'static str,
    change: impl FnOnce(&mut Value),
) -> Vector {
    let change: Change<'_> = Box::new(change);
    Vector::new(name, damaged(code), what, build::bundle(packed::content(Some(change))))
}

fn packs() -> Vec<Vector> {
    let pack = build::blob_name(&packed::pack(build::LAYER));
    let changed = |name, code, what, edit: &dyn Fn(&mut Files)| {
        let mut files = build::bundle(packed::content(None));
        edit(&mut files);
        Vector::new(name, damaged(code), what, files)
    };
    let other = |name, code, what, bytes: Vec<u8>| {
        let content = packed::content_of(&bytes, None);
        Vector::new(name, damaged(code), what, build::bundle(content))
    };
    let mut trailing = packed::pack(build::LAYER);
    trailing.push(0);
    vec![
        changed("pack-flipped", "damaged", "A bit of a pack is another.", &|it| flip(it, &pack)),
        changed("pack-missing", "missing", "A pack is not there.", &|files| {
            files.remove(&pack);
        }),
        other("pack-bomb", "bad-pack", "A frame holds 20 bytes more than it says.", {
            let mut bytes = packed::pack(&[build::LAYER, build::LAYER].concat());
            bytes[5] = 20;
            bytes
        }),
        other("pack-not-zstd", "bad-pack", "A pack is no zstd frame.", vec![b'x'; 29]),
        other("pack-trailing", "bad-pack", "A byte stands behind the frame.", trailing),
        other("pack-other-content", "bad-layer", "A pack of other content.", {
            packed::pack(b"a layer of one lime\n")
        }),
        edit("pack-frames-short", "bad-catalog", "The frames are not the pack.", |catalog| {
            catalog["packs"][0]["frames"][0][0] = 28.into();
        }),
        edit("pack-frame-huge", "bad-catalog", "A frame of a TiB.", |catalog| {
            catalog["packs"][0]["frames"][0][1] = (1u64 << 40).into();
        }),
        edit("pack-frame-empty", "bad-catalog", "A frame of nothing.", |catalog| {
            catalog["packs"][0]["frames"][0][1] = 0.into();
        }),
        edit("pack-twice", "bad-catalog", "One pack stands there twice.", |catalog| {
            let pack = catalog["packs"][0].clone();
            catalog["packs"].as_array_mut().expect("a list").push(pack);
        }),
        edit("pack-unused", "contradiction", "No layer takes from the pack.", |catalog| {
            let config = catalog["blobs"][0].clone();
            catalog["opened"] = serde_json::json!([
                {"digest": config["digest"], "kind": "plain", "plain": config["size"]},
            ]);
            catalog["layers"][0]["from"][0] = config["digest"].clone();
        }),
    ]
}

fn recipes() -> Vec<Vector> {
    let extents = |name, what, extents: Value| {
        edit(name, "bad-catalog", what, move |catalog| catalog["layers"][0]["extents"] = extents)
    };
    vec![
        extents(
            "extent-past-end",
            "An extent ends behind its pack.",
            serde_json::json!([[0, 1, 20]]),
        ),
        extents("extent-overflows", "An extent's end is past the largest number.", {
            serde_json::json!([[0, u64::MAX, 20]])
        }),
        extents(
            "extent-empty",
            "An extent of no bytes.",
            serde_json::json!([[0, 0, 20], [0, 3, 0]]),
        ),
        extents("extent-of-nothing", "An extent of content that is not listed.", {
            serde_json::json!([[1, 0, 20]])
        }),
        extents("extents-short", "The extents are shorter than the layer.", {
            serde_json::json!([[0, 0, 19]])
        }),
        extents("extents-none", "There are no extents.", serde_json::json!([])),
        extents("extents-out-of-order", "The extents make another layer.", {
            serde_json::json!([[0, 10, 10], [0, 0, 10]])
        })
        .judged(damaged("bad-layer")),
        edit("recipe-from-nowhere", "bad-catalog", "It takes from what is nowhere.", |catalog| {
            catalog["layers"][0]["from"][0] = catalog["layers"][0]["blob"]["digest"].clone();
        }),
        edit("recipe-other-length", "bad-catalog", "It states another length.", |catalog| {
            catalog["layers"][0]["plain"] = 21.into();
        }),
        edit("recipe-and-stored", "bad-catalog", "A blob is stored and made.", |catalog| {
            let config = catalog["blobs"][0].clone();
            catalog["layers"][0]["blob"] = config;
        }),
        edit("packs-without-need", "bad-catalog", "It does not say what it needs.", |catalog| {
            catalog["needs"] = serde_json::json!([]);
        }),
        edit("recipe-unknown-field", "bad-catalog", "A recipe with another field.", |catalog| {
            catalog["layers"][0]["x"] = 1.into();
        }),
    ]
}

fn codings() -> Vec<Vector> {
    let gzip = |name, verdict, what, change: fn(&mut Value)| {
        let content = packed::gzip_content(Some(Box::new(change)));
        Vector::new(name, verdict, what, build::bundle(content))
    };
    vec![
        gzip("coding-other-encoder", damaged("bad-layer"), "Another encoder.", |catalog| {
            catalog["layers"][0]["coding"]["encoding"] = "go-flate-1:6".into();
        }),
        gzip("coding-other-header", damaged("bad-layer"), "Another gzip header.", |catalog| {
            catalog["layers"][0]["coding"]["header"] = "H4sIAAAAAAAAAw==".into();
            catalog["layers"][0]["coding"]["header"] = "H4sIAAAAAAACAw==".into();
        }),
        gzip(
            "coding-unknown-encoder",
            Verdict::Refused { exit: 1, code: "needs-newer" },
            "An encoder that version 1 does not have.",
            |catalog| catalog["layers"][0]["coding"]["encoding"] = "zopfli-1:15".into(),
        ),
        gzip(
            "coding-level-out-of-range",
            Verdict::Refused { exit: 1, code: "needs-newer" },
            "A level that the encoder does not have.",
            |catalog| catalog["layers"][0]["coding"]["encoding"] = "gnugzip-1:10".into(),
        ),
        gzip("checkpoint-past-end", damaged("bad-catalog"), "A checkpoint behind the end.", |it| {
            it["layers"][0]["coding"]["checkpoints"] = serde_json::json!([[20, 100]]);
        }),
        gzip("checkpoints-unsorted", damaged("bad-catalog"), "Checkpoints go back.", |catalog| {
            catalog["layers"][0]["coding"]["checkpoints"] = serde_json::json!([[9, 80], [8, 90]]);
        }),
        gzip("checkpoint-wrong", damaged("bad-catalog"), "No block begins there.", |catalog| {
            catalog["layers"][0]["coding"]["checkpoints"] = serde_json::json!([[8, 1 << 40]]);
        }),
    ]
}

fn destinations() -> Vec<Vector> {
    let held = |name, verdict, what, requires: &str| {
        let content = packed::held_content();
        let sums = build::sums(&content);
        let seal = build::seal(&content, &sums);
        let seal = seal.replace("trust: 0\n", &format!("{requires}trust: 0\n"));
        let files = build::signed(content, &sums, seal.as_bytes(), &["release"]);
        Vector::new(name, verdict, what, files)
    };
    let requires = format!("requires: sha256:{}\n", "ab".repeat(32));
    vec![
        held(
            "held-without-base",
            damaged("contradiction"),
            "A layer is at the destination, and no base bundle is named.",
            "",
        ),
        Vector {
            import_only: true,
            ..held(
                "base-missing",
                not_allowed("base-missing"),
                "A delta whose base is not at the target.",
                &requires,
            )
        },
    ]
}
