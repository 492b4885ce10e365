//! Which repositories a registry has, and which tags a repository.
//!
//! Withstands: lists without end (pages and names are capped), pages that lead to another host or
//! round in circles, lists that are cut without a word, names that are none, `null` in the place of
//! a list. Source: distribution-spec 1.1, "Listing Tags"; distribution's "Listing Repositories".

use std::collections::BTreeSet;

use serde::Deserialize;
use ureq::http::{Method, Uri};

use super::auth::Scope;
use super::error::words;
use super::referrers::next_page;
use super::transport::Call;
use super::url::with_query;
use super::{Client, RegistryError};
use crate::oci::{Repository, Tag, json};

/// Names asked for at a time: some registries refuse more.
const PAGE: usize = 1000;
const MAX_PAGES: usize = 2000;
const MAX_NAMES: usize = 1_000_000;
const MAX_PAGE_SIZE: u64 = 4 * 1024 * 1024;

#[derive(Deserialize)]
struct Page {
    #[serde(default, alias = "repositories")]
    tags: Option<Vec<Option<String>>>,
}

impl Client {
    /// The tags of a repository, sorted; `None` when the registry does not know the repository.
    ///
    /// # Errors
    /// [`RegistryError::Malformed`] for a list without end or a tag that is none; whatever else the
    /// registry does.
    pub fn tags(&self, repository: &Repository) -> Result<Option<Vec<Tag>>, RegistryError> {
        let what = format!("the tags of {repository}");
        let names =
            self.names(&self.reading(repository), &what, self.url(repository, "tags/list")?);
        let Some(names) = names? else { return Ok(None) };
        let tags = names.iter().map(|name| name.parse().map_err(|_| odd(repository, &what, name)));
        tags.collect::<Result<_, _>>().map(Some)
    }

    /// The repositories of a registry, sorted, as far as it shows them to whoever asks. `host` is
    /// any repository of it.
    ///
    /// # Errors
    /// As [`Client::tags`]; [`RegistryError::NotFound`] when the registry gives no such list.
    pub fn repositories(&self, host: &Repository) -> Result<Vec<Repository>, RegistryError> {
        let what = format!("the list of repositories of {}", host.host());
        let url = format!("{}v2/_catalog", self.base(host.host())?);
        let url = url.parse().map_err(|_| super::malformed_host(host.host()))?;
        let Some(names) = self.names(&Scope::catalog(host), &what, url)? else {
            return Err(RegistryError::NotFound { host: host.host().to_owned(), what });
        };
        let parse =
            |name: &String| Repository::new(host.host(), name).map_err(|_| odd(host, &what, name));
        names.iter().map(parse).collect()
    }

    /// Every name of a list, page by page; `None` when there is no such list. A page that is full
    /// and has no link is asked to be gone on with: some registries cut lists without a word.
    fn names(
        &self,
        scope: &Scope,
        what: &str,
        list: Uri,
    ) -> Result<Option<BTreeSet<String>>, RegistryError> {
        let malformed = |why: &str| {
            let host = scope.repository.host().to_owned();
            RegistryError::Malformed { host, what: what.to_owned(), why: why.to_owned() }
        };
        let first = with_query(&list, "n", &PAGE.to_string());
        let mut next = Some(first.clone().ok_or_else(|| malformed("its address is none"))?);
        let (mut names, mut asked) = (BTreeSet::new(), BTreeSet::new());
        while let Some(url) = next {
            if !asked.insert(url.to_string()) || asked.len() > MAX_PAGES || names.len() > MAX_NAMES
            {
                return Err(malformed("the list has no end"));
            }
            let call = Call::new(Method::GET, url);
            let ask = || self.send(scope, call.clone());
            let (answer, raw) = self.0.transport.whole(MAX_PAGE_SIZE, ask)?;
            match answer.status {
                200 => {}
                404 if asked.len() == 1 => return Ok(None),
                // It takes no such size of a page.
                400 | 405 | 422 if asked.len() == 1 => {
                    next = Some(list.clone());
                    continue;
                }
                _ => return Err(self.refusal(scope, answer, what)),
            }
            let link = next_page(&answer).map_err(&malformed)?;
            let page = page(&raw).map_err(|error| malformed(&words(&error)))?;
            let (last, count, before) = (page.last().cloned(), page.len(), names.len());
            names.extend(page);
            next = match (link, &first, last) {
                (Some(link), ..) => Some(link),
                (None, Some(first), Some(last)) if count >= PAGE && names.len() > before => {
                    with_query(first, "last", &last)
                }
                _ => None,
            };
        }
        Ok(Some(names))
    }
}

fn page(raw: &[u8]) -> Result<Vec<String>, String> {
    if raw.len() as u64 > MAX_PAGE_SIZE {
        return Err("a page is too large".to_owned());
    }
    let Page { tags } = json::parse(raw).map_err(|error| error.to_string())?;
    Ok(tags.unwrap_or_default().into_iter().flatten().collect())
}

fn odd(repository: &Repository, what: &str, name: &str) -> RegistryError {
    let why = format!("it names `{}`", words(name));
    RegistryError::Malformed { host: repository.host().to_owned(), what: what.to_owned(), why }
}
