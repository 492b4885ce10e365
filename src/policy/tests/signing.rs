//! Signatures of cosign where images have them.

use serde_json::{Value, json};

use super::world::{World, child, image};
use super::*;
use crate::oci::PinnedDocument;
use crate::policy::cosign::tests::{ED25519, P256, Pair, base64, message, payload, statement};
use crate::policy::cosign::{ANNOTATION, BUNDLE, Flaw, PAYLOAD, SIGNATURE, SIGNED};

const APP: &str = "quay.io/team/app:1";

/// A policy that asks for `threshold` of these keys.
fn signed_by(threshold: usize, pairs: &[&Pair]) -> Policy {
    let names: Vec<String> = (0..pairs.len()).map(|place| place.to_string()).collect();
    let text = format!(
        "gapferry = \"policy v1\"\n[[signature]]\nkeys = {names:?}\nthreshold = {threshold}"
    );
    let key = |name: &str| Ok(pairs[name.parse::<usize>().unwrap()].pem().to_owned());
    Policy::parse::<PolicyError>(text.as_bytes(), key).unwrap()
}

/// The layer of a payload that is for `digest`, signed by `pair`.
fn layer(world: &mut World, pair: &Pair, digest: &Digest) -> Value {
    let payload = payload(digest);
    let mut layer = world.add_blob(PAYLOAD, &payload);
    layer["annotations"] = json!({ANNOTATION: base64(&pair.sign(&payload))});
    layer
}

fn bundle(world: &mut World, root: &Descriptor, value: &Value) -> PinnedDocument {
    let layer = world.add_blob(BUNDLE, value.to_string().as_bytes());
    world.referrer(root, BUNDLE, layer, json!({}))
}

/// The findings for an image with `more`: how many keys signed, and the flaws.
fn judge(
    policy: &Policy,
    world: &World,
    root: &Descriptor,
    more: &[PinnedDocument],
) -> Result<(), (usize, Vec<Flaw>)> {
    match judged(policy, world, [&image(APP, root, more)]).as_slice() {
        [] => Ok(()),
        [Breach::Unsigned { digest, valid, flaws, .. }] if *digest == root.digest => {
            Err((*valid, flaws.iter().map(|(_, flaw)| flaw.clone()).collect()))
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_form_of_a_signature_counts() {
    let mut world = World::default();
    let root = world.manifest("linux/amd64", None);
    for algorithm in [P256, ED25519] {
        let (pair, other) = (Pair::new(algorithm), Pair::new(P256));
        let layer = layer(&mut world, &pair, &root.digest);
        let raw = world.documents[&root.digest].raw().to_vec();
        let by_bundle = statement(&pair, &root.digest, SIGNED);
        for signature in [
            world.tagged(&root, "sig", layer.clone()),
            world.referrer(&root, SIGNATURE, layer, json!({})),
            bundle(&mut world, &root, &message(&pair, &raw)),
            bundle(&mut world, &root, &by_bundle),
        ] {
            let more = [signature];
            assert_eq!(judge(&signed_by(1, &[&other, &pair]), &world, &root, &more), Ok(()));
            let refused = judge(&signed_by(1, &[&other]), &world, &root, &more);
            let (valid, flaws) = refused.unwrap_err();
            assert_eq!(valid, 0);
            assert!(matches!(flaws[..], [Flaw::OtherKey | Flaw::Malformed]), "{flaws:?}");
        }
    }
}

#[test]
fn a_threshold_counts_keys_and_not_signatures() {
    let mut world = World::default();
    let root = world.manifest("linux/amd64", None);
    let (one, two) = (Pair::new(P256), Pair::new(ED25519));
    let raw = world.documents[&root.digest].raw().to_vec();
    let first = layer(&mut world, &one, &root.digest);
    let first = world.tagged(&root, "sig", first);
    let again = bundle(&mut world, &root, &message(&one, &raw));
    let second = bundle(&mut world, &root, &message(&two, &raw));
    let both = signed_by(2, &[&one, &two]);
    let refused = judge(&both, &world, &root, &[first.clone(), again]);
    assert_eq!(refused, Err((1, vec![])));
    assert_eq!(judge(&both, &world, &root, &[first, second]), Ok(()));
}

#[test]
fn a_signature_for_another_digest_does_not_count() {
    let mut world = World::default();
    let root = world.manifest("linux/amd64", None);
    let other = world.manifest("linux/arm64", None);
    let pair = Pair::new(P256);
    let policy = signed_by(1, &[&pair]);
    let layer = layer(&mut world, &pair, &other.digest);
    // It stands where the image's own signature would stand.
    let moved = world.tagged(&root, "sig", layer.clone());
    let flaw = Flaw::OtherImage(other.digest.to_string());
    assert_eq!(judge(&policy, &world, &root, &[moved]), Err((0, vec![flaw])));
    // And where it belongs, it is not one of this image.
    let stray = world.referrer(&other, SIGNATURE, layer, json!({}));
    assert_eq!(judge(&policy, &world, &root, &[stray]), Err((0, vec![])));
    assert_eq!(judge(&policy, &world, &root, &[]), Err((0, vec![])));
}

/// Signing an image for one platform says nothing of an index that somebody made over it.
#[test]
fn an_index_is_signed_itself() {
    let mut world = World::default();
    let amd = world.manifest("linux/amd64", None);
    let root = world.index(&[(amd.clone(), "linux/amd64")]);
    let pair = Pair::new(P256);
    let layer = layer(&mut world, &pair, &amd.digest);
    let signature = world.tagged(&amd, "sig", layer);
    let more = [child(&amd, "linux/amd64"), signature];
    assert_eq!(judge(&signed_by(1, &[&pair]), &world, &root, &more), Err((0, vec![])));
}

#[test]
fn a_good_signature_counts_among_bad_ones() {
    let mut world = World::default();
    let root = world.manifest("linux/amd64", None);
    let (pair, other) = (Pair::new(P256), Pair::new(P256));
    let policy = signed_by(1, &[&pair]);
    let garbage = world.add_blob(BUNDLE, b"{");
    let garbage = world.referrer(&root, BUNDLE, garbage, json!({}));
    let foreign = layer(&mut world, &other, &root.digest);
    let foreign = world.tagged(&root, "sig", foreign);
    let bare = world.add_blob(PAYLOAD, &payload(&root.digest));
    let bare = world.referrer(&root, SIGNATURE, bare, json!({}));
    let mut more = vec![garbage, foreign, bare];
    let (valid, flaws) = judge(&policy, &world, &root, &more).unwrap_err();
    assert_eq!(valid, 0);
    assert!(matches!(flaws[..], [Flaw::Json(_), Flaw::OtherKey, Flaw::Nothing]), "{flaws:?}");
    let good = layer(&mut world, &pair, &root.digest);
    more.push(world.referrer(&root, SIGNATURE, good, json!({"a": "b"})));
    assert_eq!(judge(&policy, &world, &root, &more), Ok(()));
}

#[test]
fn payloads_are_what_their_descriptors_say_and_no_larger_than_any() {
    let mut world = World::default();
    let root = world.manifest("linux/amd64", None);
    let pair = Pair::new(P256);
    let policy = signed_by(1, &[&pair]);
    let mut layer = layer(&mut world, &pair, &root.digest);
    let digest: Digest = layer["digest"].as_str().unwrap().parse().unwrap();
    let signature = world.tagged(&root, "sig", layer.clone());
    let more = [signature];
    assert_eq!(judge(&policy, &world, &root, &more), Ok(()));
    world.blobs.get_mut(&digest).unwrap().push(b' ');
    assert_eq!(judge(&policy, &world, &root, &more), Err((0, vec![Flaw::Content])));
    world.blobs.remove(&digest);
    assert_eq!(judge(&policy, &world, &root, &more), Err((0, vec![Flaw::Absent])));
    layer["size"] = json!(MAX_EVIDENCE + 1);
    let large = [world.tagged(&root, "sig", layer)];
    let flaw = Flaw::TooLarge(MAX_EVIDENCE + 1);
    assert_eq!(judge(&policy, &world, &root, &large), Err((0, vec![flaw])));
}

/// Nobody is kept busy with more signatures than anybody means.
#[test]
fn of_very_many_signatures_the_first_are_looked_at() {
    let mut world = World::default();
    let root = world.manifest("linux/amd64", None);
    let pair = Pair::new(P256);
    let bad = world.add_blob(BUNDLE, b"{");
    let mut more: Vec<PinnedDocument> = (0..64)
        .map(|number| world.referrer(&root, BUNDLE, bad.clone(), json!({"n": number.to_string()})))
        .collect();
    let good = layer(&mut world, &pair, &root.digest);
    more.push(world.tagged(&root, "sig", good));
    let refused = judge(&signed_by(1, &[&pair]), &world, &root, &more).unwrap_err();
    assert_eq!((refused.0, refused.1.len()), (0, 5));
    more.swap(0, 64);
    assert_eq!(judge(&signed_by(1, &[&pair]), &world, &root, &more), Ok(()));
}

#[test]
fn that_a_signature_is_there_is_not_whose_it_is() {
    let mut world = World::default();
    let root = world.manifest("linux/amd64", None);
    let rule = policy("[[rule]]\nrequire = [\"cosign-signature\"]");
    let there = |world: &World, more: PinnedDocument| {
        judged(&rule, world, [&image(APP, &root, &[more])]).is_empty()
    };
    let layer = world.add_blob(PAYLOAD, b"anything");
    let tagged = world.tagged(&root, "sig", layer.clone());
    let referrer = world.referrer(&root, SIGNATURE, layer.clone(), json!({}));
    let content = json!({"dev.sigstore.bundle.content": "message-signature"});
    let message = world.referrer(&root, BUNDLE, layer.clone(), content);
    let predicate = json!({"dev.sigstore.bundle.predicateType": SIGNED});
    let statement = world.referrer(&root, BUNDLE, layer.clone(), predicate);
    for good in [tagged, referrer, message, statement] {
        assert!(there(&world, good));
    }
    let other = json!({"dev.sigstore.bundle.predicateType": "https://slsa.dev/provenance/v1"});
    let attestation = world.referrer(&root, BUNDLE, layer.clone(), other);
    let tagged = world.tagged(&root, "att", layer);
    assert!(!there(&world, attestation) && !there(&world, tagged));
}
