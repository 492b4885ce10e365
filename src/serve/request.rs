//! What a request asks for.
//!
//! Withstands: names with any number of components, names that are no names, digests that are
//! paths, ranges of any form.

use std::ops::Range;

use super::answer::Refusal;
use crate::oci::{Digest, Repository, Tag};

/// What a path below `/v2/` asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// A document, by tag.
    Tagged(Tag),
    /// A document, by digest.
    Document(Digest),
    /// A blob.
    Blob(Digest),
    /// The list of tags.
    Tags,
    /// What refers to a document.
    Referrers(Digest),
}

/// Reads a path below `/v2/`, such as `library/busybox/manifests/1.35`. The name of a repository
/// has slashes itself, so the path is read from its end.
pub(super) fn parse(path: &str) -> Result<(&str, Wanted), Refusal> {
    let mut parts = path.rsplitn(3, '/');
    let (Some(last), Some(kind), Some(name)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(Refusal::NoSuchPath);
    };
    let digest = || last.parse::<Digest>().map_err(|_| Refusal::BadDigest);
    let wanted = match (kind, last) {
        ("manifests", last) if last.contains(':') => Wanted::Document(digest()?),
        ("manifests", last) => Wanted::Tagged(last.parse().map_err(|_| Refusal::NoSuchManifest)?),
        ("blobs", _) => Wanted::Blob(digest()?),
        ("tags", "list") => Wanted::Tags,
        ("referrers", _) => Wanted::Referrers(digest()?),
        _ => return Err(Refusal::NoSuchPath),
    };
    match Repository::new("localhost", name) {
        Ok(_) => Ok((name, wanted)),
        Err(_) => Err(Refusal::BadName),
    }
}

/// The registry that a mirror stands in for, as containerd says it (`?ns=docker.io`).
pub(super) fn stands_for(ns: Option<&str>) -> Option<&str> {
    match ns {
        // What Docker Hub is called where it is asked.
        Some("registry-1.docker.io" | "index.docker.io") => Some("docker.io"),
        other => other.filter(|host| !host.is_empty()),
    }
}

/// The part of `size` bytes that a `Range` header asks for: `None` for all of it, because the
/// header is none that is known (RFC 9110, 14.2: such a header is ignored).
pub(super) fn range(header: &str, size: u64) -> Result<Option<Range<u64>>, Refusal> {
    let Some((first, last)) = header.strip_prefix("bytes=").and_then(|set| set.split_once('-'))
    else {
        return Ok(None);
    };
    let number = |text: &str| text.trim().parse::<u64>().ok();
    let range = match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last => first..last.saturating_add(1).min(size),
        (Some(first), None) if last.trim().is_empty() => first..size,
        (None, Some(count)) if first.trim().is_empty() => size.saturating_sub(count)..size,
        _ => return Ok(None),
    };
    if range.is_empty() { Err(Refusal::BadRange(size)) } else { Ok(Some(range)) }
}

/// The part of a sorted list that `n` and `last` ask for, and whether more follows.
pub(super) fn page<'a>(
    all: impl Iterator<Item = &'a str>,
    n: Option<&str>,
    last: Option<&str>,
) -> Result<(Vec<&'a str>, bool), Refusal> {
    let count = match n {
        None => usize::MAX,
        Some(n) => n.parse().map_err(|_| Refusal::BadCount)?,
    };
    let mut rest = all.filter(|item| last.is_none_or(|last| *item > last));
    let page: Vec<_> = rest.by_ref().take(count).collect();
    Ok((page, count > 0 && rest.next().is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_from_their_end() {
        let digest = Digest::of(b"");
        let tag: Tag = "list".parse().unwrap();
        for (path, name, wanted) in [
            ("a/manifests/list".to_owned(), "a", Wanted::Tagged(tag)),
            ("manifests/b/tags/list".to_owned(), "manifests/b", Wanted::Tags),
            (format!("a/b/c/manifests/{digest}"), "a/b/c", Wanted::Document(digest)),
            (format!("tags/list/blobs/{digest}"), "tags/list", Wanted::Blob(digest)),
            (format!("a/referrers/{digest}"), "a", Wanted::Referrers(digest)),
        ] {
            assert_eq!(parse(&path), Ok((name, wanted)), "{path}");
        }
    }

    #[test]
    fn other_paths_are_refused() {
        let digest = Digest::of(b"");
        for (path, refusal) in [
            ("".to_owned(), Refusal::NoSuchPath),
            ("manifests/x".to_owned(), Refusal::NoSuchPath),
            ("a/tags/x".to_owned(), Refusal::NoSuchPath),
            ("a/blobs/uploads/".to_owned(), Refusal::NoSuchPath),
            ("A/tags/list".to_owned(), Refusal::BadName),
            (format!("../a/blobs/{digest}"), Refusal::BadName),
            (format!("/blobs/{digest}"), Refusal::BadName),
            ("a/blobs/sha256:../x".to_owned(), Refusal::NoSuchPath),
            ("a/blobs/sha256:x".to_owned(), Refusal::BadDigest),
            ("a/manifests/md5:x".to_owned(), Refusal::BadDigest),
            ("a/manifests/.x".to_owned(), Refusal::NoSuchManifest),
            ("a/referrers/x".to_owned(), Refusal::BadDigest),
        ] {
            assert_eq!(parse(&path), Err(refusal), "{path}");
        }
    }

    #[test]
    fn docker_hub_has_several_names() {
        for (ns, host) in [("index.docker.io", Some("docker.io")), ("quay.io", Some("quay.io"))] {
            assert_eq!(stands_for(Some(ns)), host);
        }
        assert_eq!((stands_for(Some("")), stands_for(None)), (None, None));
    }

    #[test]
    fn ranges_are_cut_to_what_there_is() {
        for (header, part) in [
            ("bytes=0-0", 0..1),
            ("bytes=2-5", 2..6),
            ("bytes=2-", 2..10),
            ("bytes=2-99", 2..10),
            ("bytes=9-18446744073709551615", 9..10),
            ("bytes=-3", 7..10),
            ("bytes=-99", 0..10),
        ] {
            assert_eq!(range(header, 10), Ok(Some(part)), "{header}");
        }
        for header in ["", "bytes", "bytes=", "bytes=-", "bytes=5-2", "bytes=0-1,3-4", "lines=0-1"]
        {
            assert_eq!(range(header, 10), Ok(None), "{header}");
        }
        for header in ["bytes=10-", "bytes=10-11", "bytes=-0"] {
            assert_eq!(range(header, 10), Err(Refusal::BadRange(10)), "{header}");
        }
    }

    #[test]
    fn lists_come_in_pages() {
        let all = ["a", "b", "c"];
        let page = |n, last| page(all.into_iter(), n, last);
        assert_eq!(page(None, None), Ok((vec!["a", "b", "c"], false)));
        assert_eq!(page(Some("2"), None), Ok((vec!["a", "b"], true)));
        assert_eq!(page(Some("2"), Some("b")), Ok((vec!["c"], false)));
        assert_eq!(page(Some("1"), Some("aa")), Ok((vec!["b"], true)));
        assert_eq!(page(Some("0"), None), Ok((vec![], false)));
        assert_eq!(page(Some("-1"), None), Err(Refusal::BadCount));
    }
}
