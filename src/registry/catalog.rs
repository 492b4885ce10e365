//! Lists of tags.
//!
//! Withstands: lists without end (pages and tags are capped), pages that lead to another host or in
//! a circle, `null` in the place of a list, names that are no tags (passed over: nobody could name
//! them), a registry that takes no such size of a page. Source: distribution-spec 1.1, "Listing Tags".

use std::collections::BTreeSet;

use serde::Deserialize;
use ureq::http::Method;

use super::referrers::next_page;
use super::transport::Call;
use super::{Client, RegistryError};
use crate::oci::{Repository, Tag, json};

/// Tags that are asked for at once: some registries refuse more.
const PAGE: usize = 1_000;
/// Pages of one list.
const MAX_PAGES: usize = 1_000;
/// Tags of one repository.
const MAX_TAGS: usize = 100_000;
/// The largest page, in bytes.
const MAX_SIZE: u64 = 4 * 1024 * 1024;

#[derive(Deserialize)]
struct List {
    tags: Option<Vec<String>>,
}

impl Client {
    /// The tags of `repository`, sorted, without repeats.
    ///
    /// # Errors
    /// [`RegistryError::NotFound`] when there is no such repository; whatever else the registry does.
    pub fn tags(&self, repository: &Repository) -> Result<Vec<Tag>, RegistryError> {
        let what = format!("the tags of {repository}");
        let malformed = |why: &str| RegistryError::Malformed {
            host: repository.host().to_owned(),
            what: what.clone(),
            why: why.to_owned(),
        };
        let scope = self.reading(repository);
        let mut next = Some(self.url(repository, &format!("tags/list?n={PAGE}"))?);
        let (mut found, mut seen) = (BTreeSet::new(), BTreeSet::new());
        while let Some(url) = next {
            if !seen.insert(url.to_string()) || seen.len() > MAX_PAGES {
                return Err(malformed("the list has no end"));
            }
            let call = Call::new(Method::GET, url);
            let ask = || self.send(&scope, call.clone());
            let (answer, raw) = self.0.transport.whole(MAX_SIZE, ask)?;
            match answer.status {
                200 => {}
                // It takes no such size of a page.
                400 | 405 | 422 if seen.len() == 1 => {
                    next = Some(self.url(repository, "tags/list")?);
                    continue;
                }
                _ => return Err(self.refusal(&scope, answer, &what)),
            }
            let list: List = json::parse(&raw).map_err(|_| malformed("it is no list of tags"))?;
            found.extend(list.tags.into_iter().flatten().filter_map(|tag| tag.parse::<Tag>().ok()));
            if found.len() > MAX_TAGS {
                return Err(malformed("the list holds more than 100,000 tags"));
            }
            next = next_page(&answer).map_err(malformed)?;
        }
        Ok(found.into_iter().collect())
    }
}
