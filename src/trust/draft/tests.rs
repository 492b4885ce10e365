use super::*;
use crate::trust::{Accepted, Scheme, SecretKey, TrustError};

fn dated(key: &SecretKey) -> DatedKey {
    DatedKey { key: key.public().clone(), not_after: None }
}

fn time(seconds: u64) -> Timestamp {
    Timestamp::from_unix(seconds).unwrap()
}

fn signers(keys: &[&SecretKey]) -> Vec<Box<dyn Signer>> {
    let again = |key: &&SecretKey| {
        Box::new(SecretKey::from_pem(&key.to_pem(None).unwrap(), None).unwrap()) as Box<dyn Signer>
    };
    keys.iter().map(again).collect()
}

/// A directory with a first document that two root keys must sign; the last key seals.
fn begun() -> (tempfile::TempDir, [SecretKey; 4]) {
    let directory = tempfile::tempdir().unwrap();
    let keys: [SecretKey; 4] =
        std::array::from_fn(|_| SecretKey::generate(Scheme::Ed25519).unwrap());
    let prod: Name = "prod".parse().unwrap();
    let stream = Stream { epoch: 1, threshold: 1, keys: Default::default() };
    let mut document = Document {
        name: "acme".parse().unwrap(),
        number: 1,
        previous: None,
        created: time(100),
        root_threshold: 2,
        roots: Default::default(),
        keys: Default::default(),
        streams: [(prod.clone(), stream)].into(),
    };
    document.add_root(dated(&keys[0]));
    document.add_root(dated(&keys[1]));
    document.add_key(&prod, dated(&keys[3])).unwrap();
    Workbook::begin(directory.path(), &document).unwrap();
    (directory, keys)
}

#[test]
fn a_draft_becomes_a_link_when_enough_have_signed() {
    let (directory, [a, b, c, d]) = begun();
    let open = || Workbook::open(directory.path()).unwrap();
    assert!(open().chain().is_none());
    let refused = open().sign(&signers(&[&a, &c])).unwrap_err();
    assert!(
        matches!(refused, ChainError::NotRoot { key_id, number: 1 } if key_id == c.public().key_id())
    );
    assert!(open().draft().unwrap().0.signatures.is_empty(), "not even a's");
    open().sign(&signers(&[&a])).unwrap();
    let standings = open().standings().unwrap();
    assert_eq!((standings.len(), standings[0].needed), (1, 2));
    assert_eq!(standings[0].signed, [a.public().key_id()]);
    assert_eq!(standings[0].open, [b.public().key_id()]);
    open().sign(&signers(&[&a, &b])).unwrap();
    assert!(open().draft().is_none() && open().standings().unwrap().is_empty());
    assert_eq!(open().chain().unwrap().newest().number, 1);
    assert!(matches!(open().sign(&signers(&[&d])), Err(ChainError::NoDraft)));
}

#[test]
fn a_draft_may_change_until_somebody_signs() {
    let (directory, [a, b, c, d]) = begun();
    let open = || Workbook::open(directory.path()).unwrap();
    open().sign(&signers(&[&a, &b])).unwrap();
    let edit = |change: &dyn Fn(&mut Document) -> Result<(), ChainError>| {
        open().edit::<ChainError>(time(200), change)
    };
    edit(&|it| it.replace_key(&d.public().key_id(), dated(&c))).unwrap();
    edit(&|it| it.add_root_and(&c)).unwrap();
    let draft = open().draft().unwrap().1.clone();
    assert_eq!((draft.number, draft.created), (2, time(200)));
    assert_eq!(draft.keys.keys().collect::<Vec<_>>(), [&c.public().key_id()]);
    assert_eq!((draft.roots.len(), open().standings().unwrap().len()), (3, 2));
    let unlisted = edit(&|it| it.remove_key(&d.public().key_id())).unwrap_err();
    assert!(matches!(unlisted, ChainError::Unlisted { .. }));
    let none = edit(&|it| {
        it.root_threshold = 4;
        Ok(())
    });
    assert!(matches!(none, Err(ChainError::Document { number: 2, .. })));
    assert_eq!(open().draft().unwrap().1, draft, "a change that is refused changes nothing");
    open().sign(&signers(&[&c])).unwrap();
    let refused = edit(&|_| Ok(())).unwrap_err();
    assert!(matches!(refused, ChainError::SignedInPart { number: 2 }));
}

impl Document {
    fn add_root_and(&mut self, key: &SecretKey) -> Result<(), ChainError> {
        self.add_root(dated(key));
        Ok(())
    }
}

#[test]
fn a_forged_signature_is_not_taken_for_a_missing_one() {
    let (directory, [a, ..]) = begun();
    let name = format!("trust-000001.{}.sig", a.public().key_id());
    std::fs::write(directory.path().join(name), [0; 64]).unwrap();
    let refused = Workbook::open(directory.path()).unwrap_err();
    let bad = TrustError::BadSignature { key_id: a.public().key_id() };
    assert!(matches!(refused, ChainError::Signature { number: 1, error } if error == bad));
}

#[test]
fn a_site_keeps_what_it_accepted_to_itself() {
    use std::os::unix::fs::PermissionsExt as _;
    let (directory, [a, b, ..]) = begun();
    let workbook = Workbook::open(directory.path()).unwrap();
    workbook.sign(&signers(&[&a, &b])).unwrap();
    let chain = Workbook::open(directory.path()).unwrap().chain().unwrap().clone();
    let state = tempfile::tempdir().unwrap();
    let accepted = Accepted::beneath(state.path());
    assert!(accepted.load().unwrap().is_none());
    accepted.save(&chain).unwrap();
    accepted.save(&chain).unwrap();
    assert_eq!(accepted.load().unwrap().unwrap().newest(), chain.newest());
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let trust = state.path().join("trust");
    assert_eq!((mode(&trust), mode(&trust.join("trust-000001"))), (0o700, 0o600));
    assert_eq!(std::fs::read_dir(&trust).unwrap().count(), 3);
    // Something else was accepted meanwhile.
    let (other, [c, d, ..]) = begun();
    Workbook::open(other.path()).unwrap().sign(&signers(&[&c, &d])).unwrap();
    let other = Workbook::open(other.path()).unwrap().chain().unwrap().clone();
    assert!(matches!(accepted.save(&other), Err(ChainError::Fork { number: 1, .. })));
    assert_eq!(accepted.load().unwrap().unwrap().newest(), chain.newest());
}
