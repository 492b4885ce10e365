//! What people and other tools write.

use gapferry::oci::{Platform, Reference};
use gapferry::registry::Credentials;
use gapferry::select::{ListFile, Lock, MAX_PATTERN, Wish, parse_list, read};
use gapferry::source::{Chart, Location};

pub fn list(data: &[u8]) {
    let _ = parse_list("images.txt", data);
}

/// Lists of other tools. The name is one that no list is found beside.
pub fn yaml(data: &[u8]) {
    if let Ok(documents) = gapferry::yaml::parse(data) {
        assert!(documents.iter().all(|document| document.line > 0));
    }
    let _ = read(&ListFile::new("/nowhere/list.yaml"), Some(data));
}

pub fn chart(data: &[u8]) {
    let Ok(chart) = Chart::parse(data) else { return };
    let mut left = 1 << 20;
    let _ = chart.parts(&mut left);
    let _ = chart.yaml("values.yaml");
}

/// What is asked for is printed as something that asks for the same.
pub fn wish(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(wish) = text.parse::<Wish>() {
        let printed = wish.to_string();
        let again: Wish = match &wish {
            // A chart at a registry is printed as the artifact that it is.
            Wish::Chart { .. } => return,
            _ => printed.parse().expect("our own wish"),
        };
        assert_eq!(again.to_string(), printed);
        assert!(!matches!(wish, Wish::Tags { .. }) || text.len() <= MAX_PATTERN + 512);
    }
}

pub fn lock(data: &[u8]) {
    let Ok(lock) = Lock::parse("images.lock", data) else { return };
    let again =
        Lock::parse("images.lock", &lock.to_bytes()).expect("what we write is what we take");
    assert_eq!(again, lock);
}

/// Names, places and platforms: what is printed is what is read.
pub fn reference(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(name) = text.parse::<Reference>() {
        assert_eq!(name.to_string().parse::<Reference>().expect("our own name"), name);
    }
    if let Ok(platform) = text.parse::<Platform>() {
        assert_eq!(platform.to_string().parse::<Platform>().expect("our own platform"), platform);
    }
    let _ = text.parse::<Location>();
}

pub fn credentials(data: &[u8]) {
    let _ = Credentials::parse(data);
}
