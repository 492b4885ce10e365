//! Which quirk stands for which case of `docs/security-cases.md`, and which test plays it.

/// Case, quirk as [`super::misbehaving::Quirk`] names it, and test in this directory.
const TABLE: &[(u8, &str, &str)] = &[
    (62, "TokensWearOut", "auth::a_token_that_ends_in_mid_upload_is_replaced"),
    (63, "MountAnswers", "push::a_mount_that_is_refused_is_an_upload"),
    (64, "MountNeedsFrom", "push::a_mount_says_from_where"),
    (65, "OneRepositoryAToken", "auth::a_token_is_for_one_repository"),
    (66, "TokensForRefresh", "auth::a_refresh_token_is_traded_in"),
    (67, "BlobsElsewhere", "auth::no_other_origin_sees_who_asks"),
    (67, "SessionsElsewhere", "auth::no_other_origin_sees_who_asks"),
    (69, "BlobsInPlainHttp", "auth::nothing_leads_to_plain_http_that_is_not_allowed"),
    (69, "RealmInPlainHttp", "auth::a_realm_in_plain_http_gets_nothing"),
    (70, "MountAnswers", "push::a_session_in_place_of_a_mount_is_used"),
    (70, "RelativeLocations", "push::relative_locations_are_followed"),
    (71, "PatchAnswers201", "push::a_patch_may_be_answered_with_201"),
    (72, "RequestsUpTo4MiB", "push::a_cap_of_4_mib_is_found_once"),
    (72, "RequestsUpTo100MB", "push::a_cap_of_100_mb_before_the_registry_is_kept"),
    (72, "LargeRequestsCut", "push::a_registry_that_cuts_large_requests_gets_small_ones"),
    (72, "ChunksFrom5MiB", "push::the_least_size_of_a_piece_is_kept"),
    (73, "PatchAnswerLost", "push::what_was_taken_is_not_sent_twice"),
    (73, "PatchCut", "push::a_session_that_was_cut_or_answers_416_goes_on_from_its_range"),
    (74, "PatchHalfTaken416", "push::a_session_that_was_cut_or_answers_416_goes_on_from_its_range"),
    (75, "ResumedAtWrongOffset", "push::a_session_at_a_wrong_offset_is_begun_anew"),
    (75, "SessionsForgotten", "push::a_session_that_is_forgotten_is_an_upload_to_be_made_again"),
    (76, "BusyAtFirst", "push::a_busy_registry_is_waited_for"),
    (77, "ManifestsTooLarge", "push::a_document_that_is_too_large_is_named"),
    (78, "QuotaExceeded", "push::quota_and_denial_are_told_in_the_registrys_words"),
    (78, "UploadsDenied", "push::quota_and_denial_are_told_in_the_registrys_words"),
    (78, "TagsImmutable", "push::a_tag_that_may_not_move_is_told_in_the_registrys_words"),
    (79, "NoReferrersApi", "push::without_oci_subject_the_fallback_tag_is_kept"),
    (80, "ArtifactTypesRefused", "push::an_artifact_type_that_is_refused_is_named"),
    (81, "NoContentDigest", "pull::a_digest_that_is_not_stated_is_reckoned"),
    (82, "ManifestHeadAnswers", "pull::where_head_fails_get_is_asked"),
    (83, "NoContentLength", "pull::bodies_need_no_length"),
    (83, "Chunked", "pull::bodies_need_no_length"),
    (84, "RangesIgnored", "pull::a_blob_that_is_cut_goes_on_or_begins_anew"),
    (84, "BlobsCut", "pull::a_blob_that_is_cut_goes_on_or_begins_anew"),
    (85, "TagsNull", "tags::a_list_may_be_null"),
    (85, "TagsInPages", "tags::pages_are_followed"),
    (85, "PagesUpTo", "tags::a_size_that_is_refused_is_left_out"),
    (85, "NextPageElsewhere", "tags::a_page_at_another_host_or_in_a_circle_is_refused"),
    (85, "PagesInACircle", "tags::a_page_at_another_host_or_in_a_circle_is_refused"),
    (86, "ReferrersAnswer", "pull::artifactory_says_406_and_403"),
    (86, "AbsentTagsForbidden", "pull::artifactory_says_406_and_403"),
    (87, "OtherContentType", "pull::the_documents_own_media_type_counts"),
    (88, "OnlySchema1", "pull::schema_1_is_named"),
    (90, "FewRequestsLeft", "pull::few_requests_that_are_left_are_spread"),
    (91, "DocumentsNeverEnd", "pull::a_document_without_end_is_capped"),
    (91, "BlobsCrawl", "pull::a_blob_that_crawls_is_given_up"),
    (95, "DockerTypesRefused", "push::dockers_types_where_they_are_refused_are_told_so"),
    // No case: what every registry may do.
    (0, "AsksBasic", "auth::basic_and_tokens_open_with_the_right_words"),
    (
        0,
        "NewRepositoriesHidden",
        "auth::a_repository_that_is_not_there_yet_is_asked_for_with_the_right_to_write",
    ),
    (0, "AsksToken", "auth::basic_and_tokens_open_with_the_right_words"),
    (0, "Warns", "pull::a_warning_is_passed_on_once_and_escaped"),
];

fn text(path: &str) -> String {
    std::fs::read_to_string(format!("{}/tests/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

#[test]
fn every_quirk_has_a_test_and_every_test_is_there() {
    let quirks = text("support/misbehaving/mod.rs");
    let (_, quirks) = quirks.split_once("pub(crate) enum Quirk {").unwrap();
    let (quirks, _) = quirks.split_once("\n}").unwrap();
    let names: Vec<&str> = quirks
        .lines()
        .map(str::trim)
        .filter(|line| line.starts_with(|c: char| c.is_ascii_uppercase()))
        .filter_map(|line| line.split(['(', ',']).next())
        .collect();
    assert!(names.len() > 30);
    for name in &names {
        assert!(TABLE.iter().any(|(_, quirk, _)| quirk == name), "{name} stands in no line");
    }
    for (_, quirk, test) in TABLE {
        assert!(names.contains(quirk), "{quirk}");
        let (file, function) = test.split_once("::").unwrap();
        let text = text(&format!("registries/{file}.rs"));
        let (_, body) = text.split_once(&format!("\nfn {function}() {{")).expect(test);
        let body = body.split("\n}\n").next().unwrap();
        assert!(body.contains(quirk) || text.contains(&format!("Quirk::{quirk}")), "{test}");
    }
}
