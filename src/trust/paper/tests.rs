use super::*;

fn id(number: u8) -> KeyId {
    format!("{number:064x}").parse().unwrap()
}

/// What is read of files of these sizes; nothing is read when it is refused.
fn gather(files: &[(TrustFile, u64)]) -> Result<Vec<Paper>, PaperError> {
    let read = std::cell::Cell::new(0);
    let found = Paper::gather(files.iter().copied(), |file| {
        read.set(read.get() + 1);
        Ok::<_, PaperError>(file.to_string().into_bytes())
    });
    assert!(found.is_ok() || read.get() == 0);
    found
}

#[test]
fn names_are_read_as_they_are_written() {
    let hex = "0a".repeat(32);
    for name in ["trust-000001".to_owned(), format!("trust-999999.{hex}.sig")] {
        assert_eq!(name.parse::<TrustFile>().unwrap().to_string(), name);
    }
    for name in [
        "",
        "trust-",
        "trust-1",
        "trust-000000",
        "trust-0000001",
        "trust-+00001",
        "trust-000001.",
        "trust-000001.sig",
        "trust-000001..sig",
        "trust-00000é",
        "Trust-000001",
        &format!("trust-000001.{}.sig", hex.to_uppercase()),
        &format!("trust-000001.{hex}"),
        &format!("trust-000001.{hex}.sig.sig"),
    ] {
        assert!(name.parse::<TrustFile>().is_err(), "{name}");
    }
}

#[test]
fn documents_come_in_order_with_their_signatures() {
    let files = [
        (TrustFile::signature(4, id(1)), 64),
        (TrustFile::signature(3, id(9)), 64),
        (TrustFile::document(3), 100),
        (TrustFile::signature(3, id(2)), 64),
        (TrustFile::document(2), 100),
    ];
    let papers = gather(&files).unwrap();
    let numbers: Vec<u32> = papers.iter().map(|paper| paper.number).collect();
    assert_eq!(numbers, [2, 3], "the fourth has a signature and is not there");
    assert!(papers[0].signatures.is_empty());
    let ids: Vec<KeyId> = papers[1].signatures.iter().map(|it| it.key_id).collect();
    assert_eq!(ids, [id(2), id(9)]);
    let files: Vec<String> = papers[1].files().iter().map(|(file, _)| file.to_string()).collect();
    assert_eq!(files[0], "trust-000003");
    assert_eq!(files[1], format!("trust-000003.{}.sig", id(2)));
    assert_eq!(gather(&[]), Ok(vec![]));
}

#[test]
fn what_is_over_a_cap_is_not_read() {
    let signature = |number| (TrustFile::signature(1, id(number)), 8 * 1024);
    let document = (TrustFile::document(1), 64 * 1024);
    let most: Vec<_> = (0..16).map(signature).chain([document]).collect();
    assert_eq!(gather(&most).unwrap()[0].signatures.len(), 16);
    let more: Vec<_> = (0..17).map(signature).chain([document]).collect();
    assert_eq!(gather(&more), Err(PaperError::Signatures { number: 1 }));
    let long = (TrustFile::signature(1, id(1)), 8 * 1024 + 1);
    assert_eq!(gather(&[document, long]), Err(PaperError::Signatures { number: 1 }));
    let large = (TrustFile::document(2), 64 * 1024 + 1);
    let file = TrustFile::document(2);
    assert_eq!(gather(&[document, large]), Err(PaperError::TooLarge { file }));
    let documents = |count| (1..=count).map(|it| (TrustFile::document(it), 1)).collect::<Vec<_>>();
    assert_eq!(gather(&documents(1024)).unwrap().len(), 1024);
    assert_eq!(gather(&documents(1025)), Err(PaperError::TooMany));
}

#[test]
fn a_gap_is_found() {
    let files = [1, 2, 4].map(|number| (TrustFile::document(number), 1));
    assert_eq!(gather(&files), Err(PaperError::Gap { number: 3 }));
}
