//! Locks: the same bytes for the same images, and every way in which a file is refused.

use super::*;

fn pinned(name: &str, content: &str, why: &str) -> PinnedImage {
    let mut memory = Memory::default();
    let image = memory.image(content);
    memory.tag("latest", &image);
    let request = Request {
        name: name.parse().unwrap(),
        source: format!("docker://{name}"),
        why: why.to_owned(),
    };
    let options =
        Options { platforms: Vec::new(), referrers: Referrers::all(), foreign_layers: false };
    pin(&memory, &request, &options).unwrap()
}

#[test]
fn a_lock_is_the_same_whatever_the_order() {
    let images = [
        pinned("quay.io/b:1", "linux/amd64", "list:2"),
        pinned("quay.io/a:2", "linux/arm64", "list:1"),
        pinned("quay.io/b:1", "linux/amd64", "argument 1"),
        pinned("quay.io/b:1", "linux/amd64", "list:2"),
    ];
    let lock = Lock::new(images.to_vec()).unwrap();
    let mut turned = images.to_vec();
    turned.reverse();
    assert_eq!(Lock::new(turned).unwrap().to_bytes(), lock.to_bytes());
    let names: Vec<String> = lock.images().iter().map(|image| image.name.to_string()).collect();
    assert_eq!(names, ["quay.io/a:2", "quay.io/b:1"]);
    assert_eq!(lock.images()[1].why, ["argument 1", "list:2"]);
    let text = String::from_utf8(lock.to_bytes()).unwrap();
    assert!(text.starts_with("{\n  \"gapferry\": \"lock v1\",\n  \"images\": [\n    {\n"));
    assert!(text.ends_with("\n}\n"));
    assert_eq!(Lock::parse("x", text.as_bytes()).unwrap(), lock);
    let mut turned: Value = serde_json::from_str(&text).unwrap();
    turned["images"].as_array_mut().unwrap().reverse();
    assert_eq!(Lock::parse("x", turned.to_string().as_bytes()).unwrap(), lock);
    let empty = Lock::new(Vec::new()).unwrap();
    assert_eq!(Lock::parse("x", &empty.to_bytes()).unwrap().into_images(), []);
}

#[test]
fn one_name_for_two_images_is_a_conflict() {
    let images = vec![
        pinned("quay.io/b:1", "linux/amd64", "list:2"),
        pinned("quay.io/b:1", "linux/arm64", "argument 1"),
    ];
    let digests = (images[0].digest, images[1].digest);
    match Lock::new(images).unwrap_err() {
        SelectError::Conflict { name, first, first_why, second, second_why } => {
            assert_eq!(name.to_string(), "quay.io/b:1");
            assert_eq!((first, second), digests);
            assert_eq!((first_why.as_str(), second_why.as_str()), ("list:2", "argument 1"));
        }
        other => panic!("{other}"),
    }
}

/// The error of a lock of one image, changed by `change`.
fn lock_error(change: impl FnOnce(&mut Value)) -> LockError {
    let lock = Lock::new(vec![pinned("quay.io/b:1", "linux/amd64", "x")]).unwrap();
    let mut value: Value = serde_json::from_slice(&lock.to_bytes()).unwrap();
    change(&mut value);
    parse_error(value.to_string().as_bytes())
}

fn parse_error(bytes: &[u8]) -> LockError {
    match Lock::parse("images.lock", bytes) {
        Err(SelectError::Lock { file, error }) if file == "images.lock" => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_malformed_lock_is_refused() {
    assert!(matches!(parse_error(b""), LockError::Json(_)));
    assert!(matches!(parse_error(b"[]"), LockError::Json(_)));
    assert!(matches!(parse_error(br#"{"gapferry":"lock v1"}"#), LockError::Json(_)));
    let twice = br#"{"gapferry":"lock v1","images":[],"images":[]}"#;
    assert!(matches!(parse_error(twice), LockError::Json(_)));
    assert!(matches!(lock_error(|lock| lock["more"] = json!(1)), LockError::Json(_)));
    let unknown = lock_error(|lock| lock["images"][0]["more"] = json!(1));
    assert!(matches!(unknown, LockError::Json(_)));
    let size = lock_error(|lock| lock["images"][0]["documents"][0]["size"] = json!(-1));
    assert!(matches!(size, LockError::Json(_)));
    let later = parse_error(br#"{"gapferry":"lock v2\u001b","new":1}"#);
    assert!(matches!(&later, LockError::Version(found) if found == "lock v2\u{1b}"));
    assert!(!later.to_string().contains('\u{1b}'));
    let large = vec![b' '; usize::try_from(MAX_LOCK_SIZE).unwrap() + 1];
    assert!(matches!(parse_error(&large), LockError::TooLarge));
}

#[test]
fn a_lock_whose_images_make_no_sense_is_refused() {
    let twice = lock_error(|lock| {
        let image = lock["images"][0].clone();
        lock["images"].as_array_mut().unwrap().push(image);
    });
    assert!(matches!(twice, LockError::Duplicate(name) if name.to_string() == "quay.io/b:1"));
    let empty = lock_error(|lock| lock["images"][0]["documents"] = json!([]));
    assert!(matches!(empty, LockError::NoRoot(_)));
    let digest = Digest::of(b"").to_string();
    let other = lock_error(|lock| lock["images"][0]["digest"] = json!(digest));
    assert!(matches!(other, LockError::NoRoot(_)));
}

#[test]
fn a_lock_whose_documents_make_no_sense_is_refused() {
    let other = Digest::of(b"other").to_string();
    let cases = [
        (json!({}), "is a second root"),
        (json!({"role": "child", "subject": other}), "has a subject or tag and may not"),
        (json!({"role": "child", "tag": "x"}), "has a subject or tag and may not"),
        (json!({"role": "referrer"}), "must have a subject and no tag"),
        (json!({"role": "tagged", "subject": other}), "must have a subject and a tag"),
        (json!({"role": "child"}), "is there twice"),
    ];
    let alone = Digest::of(b"alone").to_string();
    let alone = json!({"role": "referrer", "subject": other, "digest": alone});
    let absent = [(alone, "refers to a document that is not there")];
    for (change, expected) in cases.into_iter().chain(absent) {
        let error = lock_error(|lock| {
            let mut document = lock["images"][0]["documents"][0].clone();
            let fields = change.as_object().unwrap().clone();
            document.as_object_mut().unwrap().extend(fields);
            lock["images"][0]["documents"].as_array_mut().unwrap().push(document);
        });
        assert!(matches!(error, LockError::Document { why, .. } if why == expected), "{change}");
    }
}

#[test]
fn a_document_cannot_travel_and_stay_behind() {
    let error = lock_error(|lock| {
        let digest = lock["images"][0]["digest"].clone();
        lock["images"][0]["omitted"] = json!([{"digest": digest, "reason": "platform"}]);
    });
    let expected = "is also stated to stay behind";
    assert!(matches!(error, LockError::Document { why, .. } if why == expected));
}

#[test]
fn a_lock_with_more_documents_than_can_be_pinned_is_refused() {
    let error = lock_error(|lock| {
        let mut child = lock["images"][0]["documents"][0].clone();
        child["role"] = json!("child");
        let documents = lock["images"][0]["documents"].as_array_mut().unwrap();
        for n in 0..MAX_DOCUMENTS {
            child["digest"] = json!(Digest::of(&n.to_be_bytes()).to_string());
            documents.push(child.clone());
        }
    });
    assert!(matches!(error, LockError::Document { why: "is one too many", .. }), "{error}");
}
