//! Imports into a target in memory that writes down what it is asked, in order.

use std::io::Read as _;
use std::sync::Arc;

use super::*;
use crate::bundle::Packaging;
use crate::import::{Base, Mapping, plan};
use crate::oci::{OCI_INDEX, PinnedDocument, Role};
use crate::report::Silent;
use crate::target::{LayoutTarget, Open};
use crate::tests::{Maker, document, flip, noise};

/// What happened, by the digest or the name concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Call {
    Staged(Digest),
    Committed(Digest),
    Shared(Digest),
    Manifest(Digest),
    Tag(String),
}

type Place = (String, Digest);

#[derive(Default)]
struct State {
    calls: Vec<Call>,
    blobs: BTreeSet<Place>,
    manifests: BTreeSet<Place>,
    tags: BTreeMap<String, Digest>,
}

/// A registry in memory, and what is wrong with it.
#[derive(Default)]
struct Memory {
    state: Arc<Mutex<State>>,
    /// The first commit of each blob finds its upload forgotten.
    forgetful: bool,
    /// Blobs can be shared between repositories.
    shares: bool,
    /// Tags name something else afterwards.
    liar: bool,
    /// Manifests are refused in this repository.
    closed: Option<&'static str>,
}

struct Upload {
    state: Arc<Mutex<State>>,
    place: Place,
    forgotten: bool,
}

impl Staged for Upload {
    fn found(&self) -> u64 {
        0
    }

    fn commit(self: Box<Self>) -> Result<(), TargetError> {
        if self.forgotten {
            return Err(TargetError::Expired);
        }
        let mut state = self.state.lock().unwrap();
        state.calls.push(Call::Committed(self.place.1));
        state.blobs.insert(self.place);
        Ok(())
    }
}

fn refused() -> TargetError {
    TargetError::Read(io::Error::other("closed"))
}

impl Target for Memory {
    fn finish(&self) -> Result<(), TargetError> {
        Ok(())
    }

    fn has_blob(&self, repository: &Repository, blob: &Descriptor) -> Result<bool, TargetError> {
        Ok(self.state.lock().unwrap().blobs.contains(&(repository.to_string(), blob.digest)))
    }

    fn content(
        &self,
        _: &Repository,
        blob: &Descriptor,
        _: u64,
    ) -> Result<Box<dyn io::Read + Send>, TargetError> {
        Err(TargetError::Gone(blob.digest))
    }

    fn stage(
        &self,
        repository: &Repository,
        blob: &Descriptor,
        open: &Open<'_>,
    ) -> Result<Box<dyn Staged>, TargetError> {
        let mut content = Vec::new();
        open().and_then(|mut it| it.read_to_end(&mut content)).map_err(TargetError::Read)?;
        assert_eq!((Digest::of(&content), content.len() as u64), (blob.digest, blob.size));
        let mut state = self.state.lock().unwrap();
        let forgotten = self.forgetful && !state.calls.contains(&Call::Staged(blob.digest));
        state.calls.push(Call::Staged(blob.digest));
        let place = (repository.to_string(), blob.digest);
        Ok(Box::new(Upload { state: self.state.clone(), place, forgotten }))
    }

    fn share(
        &self,
        blob: &Descriptor,
        from: &Repository,
        to: &Repository,
    ) -> Result<bool, TargetError> {
        if !self.shares {
            return Ok(false);
        }
        let mut state = self.state.lock().unwrap();
        assert!(state.blobs.contains(&(from.to_string(), blob.digest)));
        state.calls.push(Call::Shared(blob.digest));
        state.blobs.insert((to.to_string(), blob.digest));
        Ok(true)
    }

    fn tag(&self, repository: &Repository, tag: &Tag) -> Result<Option<Digest>, TargetError> {
        Ok(self.state.lock().unwrap().tags.get(&format!("{repository}:{tag}")).copied())
    }

    fn has_manifest(
        &self,
        repository: &Repository,
        document: &Descriptor,
    ) -> Result<bool, TargetError> {
        let place = (repository.to_string(), document.digest);
        Ok(self.state.lock().unwrap().manifests.contains(&place))
    }

    /// As a strict registry: blobs and children must be there.
    fn put_manifest(
        &self,
        repository: &Repository,
        document: &Manifest,
    ) -> Result<(), TargetError> {
        if self.closed.is_some_and(|closed| repository.path() == closed) {
            return Err(refused());
        }
        let mut state = self.state.lock().unwrap();
        let at = |digest| (repository.to_string(), digest);
        assert!(document.blobs().all(|blob| state.blobs.contains(&at(blob.digest))));
        assert!(document.children().iter().all(|it| state.manifests.contains(&at(it.digest))));
        let digest = document.descriptor().digest;
        state.calls.push(Call::Manifest(digest));
        state.manifests.insert(at(digest));
        Ok(())
    }

    fn keep(&self, _: &Repository, _: &Manifest) -> Result<(), TargetError> {
        Ok(())
    }

    fn put_tag(
        &self,
        repository: &Repository,
        tag: &Tag,
        document: &Manifest,
    ) -> Result<(), TargetError> {
        let mut state = self.state.lock().unwrap();
        let (name, digest) = (format!("{repository}:{tag}"), document.descriptor().digest);
        assert!(state.manifests.contains(&(repository.to_string(), digest)));
        state.calls.push(Call::Tag(name.clone()));
        state.tags.insert(name, if self.liar { Digest::of(b"other") } else { digest });
        Ok(())
    }
}

impl Memory {
    fn calls(&self) -> Vec<Call> {
        self.state.lock().unwrap().calls.clone()
    }

    fn count(&self, of: impl Fn(&Call) -> bool) -> usize {
        self.calls().iter().filter(|call| of(call)).count()
    }

    fn tags(&self) -> Vec<String> {
        self.state.lock().unwrap().tags.keys().cloned().collect()
    }
}

fn load(maker: &Maker, target: &dyn Target, keep_going: bool) -> Result<Summary, ImportError> {
    let bundle = maker.verify(&[maker.path("bundle")])?;
    let base = Base::Registry { host: "site".to_owned(), prefix: String::new() };
    let plan = plan(bundle.get().images(), &[], &Mapping::new(base, vec![]))?;
    run(&bundle, &plan, target, 3, keep_going, &Silent)
}

fn outcomes(summary: &Summary) -> Vec<&'static str> {
    let word = |(_, _, outcome): &(Reference, Digest, Outcome)| match outcome {
        Outcome::Present => "present",
        Outcome::Loaded => "loaded",
        Outcome::Failed(_) => "failed",
    };
    summary.images.iter().map(word).collect()
}

/// Two images that share a layer.
fn two() -> Maker {
    let maker = Maker::new();
    let images = [
        maker.image("a/one:1", &[noise(2_000_000, 1), noise(10, 2)]),
        maker.image("b/two:1", &[noise(10, 2), noise(3000, 3)]),
    ];
    maker.bundle(&images);
    maker
}

#[test]
fn content_is_staged_then_committed_then_named() {
    let maker = two();
    let target = Memory { shares: true, ..Memory::default() };
    let summary = load(&maker, &target, false).unwrap();
    assert_eq!((outcomes(&summary), summary.blobs), (vec!["loaded", "loaded"], 5));
    let phase = |call: &Call| match call {
        Call::Staged(_) => 0,
        Call::Committed(_) | Call::Shared(_) => 1,
        Call::Manifest(_) => 2,
        Call::Tag(_) => 3,
    };
    assert!(target.calls().is_sorted_by_key(phase), "{:?}", target.calls());
    assert_eq!(target.count(|call| matches!(call, Call::Staged(_))), 5);
    assert_eq!(target.count(|call| matches!(call, Call::Shared(_))), 1);
    assert_eq!(target.tags(), ["site/a/one:1", "site/b/two:1"]);
}

#[test]
fn what_is_there_is_not_sent_again() {
    let maker = two();
    let target = Memory::default();
    load(&maker, &target, false).unwrap();
    let before = target.calls();
    let again = load(&maker, &target, false).unwrap();
    assert_eq!((outcomes(&again), again.blobs, again.bytes), (vec!["present", "present"], 0, 0));
    assert_eq!(target.calls(), before);
    // A tag that was moved comes back, and nothing else is touched.
    target.state.lock().unwrap().tags.insert("site/a/one:1".to_owned(), Digest::of(b""));
    assert_eq!(outcomes(&load(&maker, &target, false).unwrap()), ["loaded", "present"]);
    assert_eq!(target.calls()[before.len()..], [Call::Tag("site/a/one:1".to_owned())]);
}

#[test]
fn damage_in_any_blob_leaves_the_target_as_it_was() {
    let maker = two();
    let blobs: Vec<_> = {
        let bundle = maker.verify(&[maker.path("bundle")]).unwrap();
        let blobs = &bundle.get().catalog().blobs;
        blobs.iter().map(|blob| (blob.digest, blob.size)).collect()
    };
    for (digest, size) in blobs {
        let path = maker.path("bundle/blobs/sha256").join(digest.hex());
        flip(&path, size - 1);
        let target = Memory::default();
        let error = load(&maker, &target, false).unwrap_err();
        let damaged = |error: &VerifyError| {
            matches!(error, VerifyError::Damaged { path, .. }
                if path.to_string().ends_with(&digest.hex()))
        };
        assert!(matches!(&error, ImportError::Verify(error) if damaged(error)), "{error}");
        assert_eq!(target.count(|call| !matches!(call, Call::Staged(_))), 0);
        assert!(!target.calls().contains(&Call::Staged(digest)));
        flip(&path, size - 1);
    }
}

/// Damages the file of a digest: turned, cut or gone.
fn hurt(maker: &Maker, digest: &Digest, how: usize) {
    let path = maker.path("bundle/blobs/sha256").join(digest.hex());
    match how {
        0 => flip(&path, 5),
        1 => std::fs::File::options().write(true).open(path).unwrap().set_len(4).unwrap(),
        _ => std::fs::remove_file(path).unwrap(),
    }
}

fn salvage(maker: &Maker, target: &dyn Target) -> (Vec<&'static str>, Vec<String>) {
    let bundle = maker.verify_partly(&[maker.path("bundle")]).unwrap();
    let base = Base::Registry { host: "site".to_owned(), prefix: String::new() };
    let plan = plan(bundle.get().images(), &[], &Mapping::new(base, vec![])).unwrap();
    let summary = run(&bundle, &plan, target, 3, true, &Silent).unwrap();
    let lost = |(_, _, outcome): &(Reference, Digest, Outcome)| match outcome {
        Outcome::Failed(error) => match &**error {
            ImportError::Lost { why, .. } => Some(why.join("; ")),
            other => panic!("{other}"),
        },
        _ => None,
    };
    // Without leave to go on, nothing is written.
    let refused = run(&bundle, &plan, &Memory::default(), 3, false, &Silent);
    assert!(matches!(refused, Err(ImportError::Lost { .. } | ImportError::Verify(_))));
    (outcomes(&summary), summary.images.iter().filter_map(lost).collect())
}

#[test]
fn whole_images_are_had_out_of_a_damaged_bundle() {
    let of_one = Digest::of(&noise(2_000_000, 1));
    let shared = Digest::of(&noise(10, 2));
    let of_two = Digest::of(&noise(3000, 3));
    for how in 0..3 {
        for (digest, expected) in [
            (of_one, ["failed", "loaded"]),
            (shared, ["failed", "failed"]),
            (of_two, ["loaded", "failed"]),
        ] {
            let maker = two();
            hurt(&maker, &digest, how);
            let target = Memory::default();
            let (found, lost) = salvage(&maker, &target);
            assert_eq!(found, expected, "{how}");
            assert!(lost.iter().all(|why| why.contains(&digest.hex())), "{lost:?}");
            let loaded = expected.iter().filter(|word| **word == "loaded").count();
            assert_eq!(target.tags().len(), loaded);
            assert_eq!(target.count(|call| matches!(call, Call::Manifest(_))), loaded);
            // What only a lost image needs is not committed.
            let committed = |seed: (usize, u64)| {
                target.calls().contains(&Call::Committed(Digest::of(&noise(seed.0, seed.1))))
            };
            assert_eq!(committed((2_000_000, 1)), expected[0] == "loaded");
            assert_eq!(committed((3000, 3)), expected[1] == "loaded");
        }
    }
}

#[test]
fn an_image_without_its_manifest_is_lost() {
    for how in 0..3 {
        let maker = two();
        let manifest = maker.verify(&[maker.path("bundle")]).unwrap().get().images()[1].digest;
        hurt(&maker, &manifest, how);
        let target = Memory::default();
        let (found, lost) = salvage(&maker, &target);
        assert_eq!((found, target.tags()), (vec!["loaded", "failed"], vec!["site/a/one:1".into()]));
        assert!(lost[0].contains(&manifest.hex()), "{lost:?}");
    }
}

#[test]
fn an_upload_that_was_forgotten_is_made_again() {
    let maker = two();
    let target = Memory { forgetful: true, shares: true, ..Memory::default() };
    let summary = load(&maker, &target, false).unwrap();
    assert_eq!(outcomes(&summary), ["loaded", "loaded"]);
    assert_eq!(target.count(|call| matches!(call, Call::Staged(_))), 10);
    assert_eq!(target.count(|call| matches!(call, Call::Committed(_))), 5);
}

#[test]
fn where_nothing_can_be_shared_it_is_sent() {
    let maker = two();
    let target = Memory::default();
    load(&maker, &target, false).unwrap();
    let shared = Digest::of(&noise(10, 2));
    assert_eq!(target.count(|call| *call == Call::Committed(shared)), 2);
    // One repository has it from before: the same.
    let held = Memory::default();
    held.state.lock().unwrap().blobs.insert(("site/a/one".to_owned(), shared));
    load(&maker, &held, false).unwrap();
    assert_eq!(held.count(|call| *call == Call::Committed(shared)), 1);
    assert_eq!(held.tags().len(), 2);
}

/// What some repository holds already is not staged with the rest; where it cannot be shared after
/// all, damage of it must not come to light after the first commit.
#[test]
fn damage_in_what_cannot_be_shared_leaves_the_target_as_it_was() {
    let maker = two();
    let shared = Digest::of(&noise(10, 2));
    flip(&maker.path("bundle/blobs/sha256").join(shared.hex()), 3);
    let target = Memory::default();
    target.state.lock().unwrap().blobs.insert(("site/a/one".to_owned(), shared));
    let error = load(&maker, &target, false).unwrap_err();
    assert!(matches!(error, ImportError::Verify(VerifyError::Damaged { .. })), "{error}");
    assert_eq!(target.count(|call| !matches!(call, Call::Staged(_))), 0, "{:?}", target.calls());
}

#[test]
fn a_tag_that_names_something_else_afterwards_is_told() {
    let maker = two();
    let target = Memory { liar: true, ..Memory::default() };
    let other = Digest::of(b"other");
    match load(&maker, &target, false).unwrap_err() {
        ImportError::ReadBack { found: Some(found), expected, .. } => {
            assert!(found == other && expected != other);
        }
        error => panic!("{error}"),
    }
    let summary = load(&maker, &Memory { liar: true, ..Memory::default() }, true).unwrap();
    let told = |outcome: &Outcome| matches!(outcome, Outcome::Failed(error) if matches!(**error, ImportError::ReadBack { .. }));
    assert!(summary.images.iter().all(|(_, _, outcome)| told(outcome)));
}

#[test]
fn one_image_that_is_refused_stops_or_is_passed_over() {
    let maker = two();
    let closed = || Memory { closed: Some("a/one"), ..Memory::default() };
    let target = closed();
    let error = load(&maker, &target, false).unwrap_err();
    assert!(matches!(&error, ImportError::Target { at, .. } if at == "site/a/one:1"), "{error}");
    assert_eq!(target.tags().len(), 0);
    let target = closed();
    let summary = load(&maker, &target, true).unwrap();
    assert_eq!(outcomes(&summary), ["failed", "loaded"]);
    assert_eq!(target.tags(), ["site/b/two:1"]);
}

/// Every order that matters: an index over images, and what refers to it by subject and by tag.
#[test]
fn children_come_before_parents_and_the_own_tag_last() {
    let maker = Maker::new();
    let images = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/images");
    let pin = |name: &str| maker.pin(&format!("oci:{images}:{name}"), name);
    let (multi, signed) = (pin("library/multi:1.0"), pin("signed/app:1.0"));
    maker.bundle(&[multi.clone(), signed.clone()]);
    let target = Memory::default();
    load(&maker, &target, false).unwrap();
    let calls = target.calls();
    let place = |digest: &Digest| {
        let at = calls.iter().position(|call| *call == Call::Manifest(*digest));
        at.expect("every document is there")
    };
    let before = |first: &PinnedDocument, second: &Digest| {
        assert!(place(&first.digest) < place(second), "{:?}", first.role);
    };
    for image in [&multi, &signed] {
        for document in &image.documents {
            match document.role {
                Role::Child => before(document, &image.digest),
                Role::Referrer | Role::Tagged => {
                    assert!(place(&document.subject.unwrap()) < place(&document.digest));
                }
                Role::Root => {}
            }
        }
    }
    let of_signed = calls.iter().filter_map(|call| match call {
        Call::Tag(name) if name.starts_with("site/signed/app:") => Some(name.clone()),
        _ => None,
    });
    let of_signed: Vec<String> = of_signed.collect();
    assert_eq!(of_signed.last().unwrap(), "site/signed/app:1.0");
    assert_eq!(of_signed.len(), 3);
}

#[test]
fn children_come_before_parents_however_the_lading_lists_them() {
    let maker = Maker::new();
    let child = maker.image("a/one:1", &[noise(10, 1)]);
    let target = LayoutTarget::open_or_create(&maker.path("layout")).unwrap();
    let at = child.documents[0].descriptor();
    let manifests = serde_json::json!([at]);
    let inner =
        document(OCI_INDEX, serde_json::json!({"schemaVersion": 2, "manifests": manifests}));
    let manifests = serde_json::json!([inner.descriptor()]);
    let outer =
        document(OCI_INDEX, serde_json::json!({"schemaVersion": 2, "manifests": manifests}));
    let name: Reference = "a/outer:1".parse().unwrap();
    for index in [&inner, &outer] {
        target.put_manifest(&name.repository, index).unwrap();
    }
    target.put_tag(&name.repository, name.tag.as_ref().unwrap(), &outer).unwrap();
    let location = format!("oci:{}:{name}", maker.path("layout").display());
    let nested = maker.pin(&location, "a/outer:1");
    assert_eq!(nested.documents.len(), 3);
    let mut backwards = nested.clone();
    backwards.documents[1..].reverse();
    for (out, image) in [("x", nested), ("bundle", backwards)] {
        maker.export(&[image], out, Packaging::Directory).unwrap();
    }
    let target = Memory::default();
    load(&maker, &target, false).unwrap();
    assert_eq!(target.count(|call| matches!(call, Call::Manifest(_))), 3);
}
