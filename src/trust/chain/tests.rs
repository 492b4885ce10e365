use super::*;
use crate::trust::{DatedKey, Scheme, SecretKey, Signature, Signer as _, Stream};

/// Four root keys; the first three sign the first document.
struct Roots4([SecretKey; 4]);

impl Roots4 {
    fn new() -> Roots4 {
        Roots4(std::array::from_fn(|_| SecretKey::generate(Scheme::Ed25519).unwrap()))
    }

    fn listed(&self, which: &[usize]) -> BTreeMap<KeyId, DatedKey> {
        let key = |at: &usize| self.0[*at].public().clone();
        let dated =
            |key: crate::trust::PublicKey| (key.key_id(), DatedKey { key, not_after: None });
        which.iter().map(key).map(dated).collect()
    }

    fn first(&self) -> Document {
        Document {
            name: "acme".parse().unwrap(),
            number: 1,
            previous: None,
            created: time(100),
            root_threshold: 2,
            roots: self.listed(&[0, 1, 2]),
            keys: self.listed(&[3]),
            streams: [("prod".parse().unwrap(), self.stream(3))].into(),
        }
    }

    fn stream(&self, epoch: u64) -> Stream {
        Stream { epoch, threshold: 1, keys: [self.0[3].public().key_id()].into() }
    }

    /// The document, signed by some of the keys.
    fn sign(&self, document: &Document, which: &[usize]) -> Paper {
        let bytes = document.to_bytes();
        let sign = |at: &usize| Signature::by(&self.0[*at], Purpose::Trust, &bytes).unwrap();
        let signatures = which.iter().map(sign).collect();
        Paper { number: document.number, bytes, signatures }
    }

    fn chain(&self) -> Chain {
        Chain::load(vec![self.sign(&self.first(), &[0, 1])]).unwrap()
    }
}

fn time(seconds: u64) -> Timestamp {
    Timestamp::from_unix(seconds).unwrap()
}

fn second(chain: &Chain) -> Document {
    let previous = Some(chain.newest_digest());
    let newest = chain.newest().clone();
    Document { number: newest.number + 1, previous, ..newest }
}

fn extended(chain: &Chain, papers: Vec<Paper>) -> Result<Chain, ChainError> {
    let mut chain = chain.clone();
    let before = chain.newest_digest();
    let extended = chain.extend(papers, time(1000));
    assert!(extended.is_ok() || chain.newest_digest() == before, "changed on an error");
    extended.map(|()| chain)
}

#[test]
fn the_first_is_pinned_by_its_digest() {
    let keys = Roots4::new();
    let first = keys.sign(&keys.first(), &[0, 2]);
    let now = time(1000);
    let chain = Chain::accept(&first.digest(), vec![first.clone()], now).unwrap();
    assert_eq!(chain.newest(), &keys.first());
    let other = Digest::of(b"other");
    let refused = Chain::accept(&other, vec![first.clone()], now).unwrap_err();
    assert!(matches!(refused, ChainError::NotPinned { digest } if digest == other));
    let alone = keys.sign(&keys.first(), &[0]);
    let refused = Chain::accept(&alone.digest(), vec![alone], now).unwrap_err();
    let own = super::Roots::Own;
    assert!(
        matches!(refused, ChainError::Threshold { number: 1, of, needed: 2, valid: 1 } if of == own)
    );
    assert!(matches!(Chain::load(vec![]), Err(ChainError::None)));
    let misnamed = Paper { number: 5, ..first };
    assert!(matches!(Chain::load(vec![misnamed]), Err(ChainError::Broken { number: 5, .. })));
}

#[test]
fn old_and_new_root_keys_must_sign() {
    let keys = Roots4::new();
    let chain = keys.chain();
    let next = Document { roots: keys.listed(&[2, 3]), ..second(&chain) };
    use super::Roots::{Before, Own};
    for (which, expected) in [
        (&[0, 2, 3][..], None),
        (&[0, 1, 2, 3], None),
        (&[2, 3], Some((Before, 1))),
        (&[3], Some((Before, 0))),
        (&[0, 1], Some((Own, 0))),
        (&[0, 1, 2], Some((Own, 1))),
        (&[], Some((Before, 0))),
    ] {
        let found = extended(&chain, vec![keys.sign(&next, which)]);
        match (expected, found) {
            (None, found) => assert_eq!(found.unwrap().newest(), &next),
            (Some((wanted, count)), Err(ChainError::Threshold { of, valid, .. })) => {
                assert_eq!((of, valid), (wanted, count), "{which:?}");
            }
            (_, found) => panic!("{which:?}: {found:?}"),
        }
    }
}

#[test]
fn nothing_is_parsed_before_it_is_signed() {
    let keys = Roots4::new();
    let chain = keys.chain();
    let garbage = Paper { number: 2, bytes: b"garbage".to_vec(), signatures: vec![] };
    let refused = extended(&chain, vec![garbage.clone()]).unwrap_err();
    assert!(matches!(refused, ChainError::Threshold { .. }), "{refused}");
    let sign = |key: &SecretKey| Signature::by(key, Purpose::Trust, b"garbage").unwrap();
    let signatures = keys.0[..2].iter().map(sign).collect();
    let refused = extended(&chain, vec![Paper { signatures, ..garbage }]).unwrap_err();
    assert!(matches!(refused, ChainError::Document { number: 2, error: DocumentError::Version }));
}

#[test]
fn a_document_continues_the_one_before() {
    let keys = Roots4::new();
    let chain = keys.chain();
    let good = second(&chain);
    let prod: Name = "prod".parse().unwrap();
    let lower = [(prod, keys.stream(2))].into();
    for (bad, why) in [
        (Document { name: "other".parse().unwrap(), ..good.clone() }, "it has another name"),
        (
            Document { previous: Some(Digest::of(b"x")), ..good.clone() },
            "`previous` is another document",
        ),
        (Document { created: time(99), ..good.clone() }, "it is older"),
        (Document { streams: lower, ..good.clone() }, "the epoch of a stream goes back"),
    ] {
        let refused = extended(&chain, vec![keys.sign(&bad, &[0, 1])]).unwrap_err();
        assert!(
            matches!(refused, ChainError::Broken { number: 2, what } if what == why),
            "{refused}"
        );
    }
    let misnamed = Document { number: 3, ..good.clone() };
    let misnamed = Paper { number: 2, ..keys.sign(&misnamed, &[0, 1]) };
    let refused = extended(&chain, vec![misnamed]).unwrap_err();
    assert!(matches!(
        refused,
        ChainError::Broken { what: "its number is not that of its name", .. }
    ));
    extended(&chain, vec![keys.sign(&good, &[0, 1])]).unwrap();
}

#[test]
fn an_epoch_does_not_go_back_by_way_of_a_gap() {
    let keys = Roots4::new();
    let chain = keys.chain();
    let without = Document { streams: [].into(), keys: [].into(), ..second(&chain) };
    let chain = extended(&chain, vec![keys.sign(&without, &[0, 1])]).unwrap();
    let streams = |epoch| BTreeMap::from([("prod".parse().unwrap(), keys.stream(epoch))]);
    let again = |epoch| {
        let next = Document { streams: streams(epoch), keys: keys.listed(&[3]), ..second(&chain) };
        extended(&chain, vec![keys.sign(&next, &[0, 1])])
    };
    assert!(matches!(again(2), Err(ChainError::Broken { number: 3, .. })));
    again(3).unwrap();
}

#[test]
fn forks_and_gaps_are_found() {
    let keys = Roots4::new();
    let chain = keys.chain();
    let next = second(&chain);
    let good = keys.sign(&next, &[0, 1]);
    let third = Document { number: 3, previous: Some(good.digest()), ..next.clone() };
    let third = keys.sign(&third, &[1, 2]);
    let whole = extended(&chain, vec![good.clone(), third.clone()]).unwrap();
    let refused = extended(&chain, vec![third.clone()]).unwrap_err();
    assert!(matches!(refused, ChainError::Paper(PaperError::Gap { number: 2 })), "{refused}");
    let other = Document { created: time(200), ..next };
    let refused = extended(&whole, vec![keys.sign(&other, &[0, 1])]).unwrap_err();
    assert!(matches!(refused, ChainError::Fork { number: 2, .. }), "{refused}");
    // What it knows it need not be told again, signatures and all.
    let bare = Paper { signatures: vec![], ..good };
    assert_eq!(extended(&whole, vec![bare, third.clone()]).unwrap().newest().number, 3);
    let late = Chain::accept(&third.digest(), vec![third], time(1000)).unwrap();
    let before = keys.sign(&keys.first(), &[0, 1]);
    assert_eq!(extended(&late, vec![before]).unwrap().links().len(), 1);
}

#[test]
fn root_keys_have_their_time() {
    let keys = Roots4::new();
    let mut first = keys.first();
    first.roots.values_mut().for_each(|root| root.not_after = Some(time(500)));
    let paper = keys.sign(&first, &[0, 1]);
    let chain = Chain::load(vec![paper.clone()]).unwrap();
    let next = keys.sign(&second(&chain), &[0, 1]);
    let refused = chain.clone().extend(vec![next.clone()], time(500)).unwrap_err();
    assert!(matches!(refused, ChainError::RootsPast { number: 2, needed: 2, valid: 0, .. }));
    chain.clone().extend(vec![next.clone()], time(499)).unwrap();
    // What was accepted in time stays accepted.
    Chain::load(vec![paper, next]).unwrap();
}

#[test]
fn a_bad_signature_is_found_among_good_ones() {
    let keys = Roots4::new();
    let chain = keys.chain();
    let mut paper = keys.sign(&second(&chain), &[0, 1, 2]);
    paper.signatures[2].bytes[5] ^= 1;
    let refused = extended(&chain, vec![paper]).unwrap_err();
    let bad = TrustError::BadSignature { key_id: keys.0[2].public().key_id() };
    assert!(matches!(refused, ChainError::Signature { number: 2, error } if error == bad));
}
