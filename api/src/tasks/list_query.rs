//! The query of a task list: which tasks, and which page of them, after a cursor as in all lists or by number as to-do
//! clients ask.

use serde::Deserialize;
use utoipa::IntoParams;

use super::folding::{fold, has_letters};
use super::store::{TaskFilter, Window};
use super::types::TaskStatus;
use crate::http::error::{ApiError, FieldError};
use crate::http::extract::page::{MAX_LIMIT, Page, PageQuery};
use crate::http::extract::query::{fault_unless, given, parse, parse_search_text, parse_variant};
use crate::ids::TaskId;

/// Which tasks to list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct TaskQuery {
    /// `completed` is another word for `done`.
    #[param(inline, value_type = Option<TaskStatus>)]
    status: Option<String>,
    /// The status as a yes or no.
    #[param(value_type = Option<bool>)]
    completed: Option<String>,
    /// Part of the title, whatever its case and accents.
    #[param(value_type = Option<String>, format = "line", max_length = 200)]
    q: Option<String>,
    /// Those about this device (ULID or UUID).
    #[param(value_type = Option<String>, pattern = "^(|[0-7][0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{25}|[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})$")]
    device_id: Option<String>,
    /// The page with this number, from 1, instead of a cursor. Such an answer counts all tasks in `X-Total-Count`. The
    /// pages are counted anew for each request: where tasks are deleted in between, the next number begins behind some
    /// that were on no page. The answer's `Link` goes on by cursor, which skips none.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 4_294_967_295_u32)]
    page: Option<String>,
    /// Tasks on a numbered page; `limit` by another name.
    #[param(value_type = Option<u16>, minimum = 1, maximum = 1000, default = 100)]
    page_size: Option<String>,
}

/// A title is one line, so none has this in it.
const IN_NO_TITLE: &str = "\n";

/// What a folded title is to have in it.
fn folded_pattern(text: &str) -> String {
    if has_letters(text) { fold(text) } else { IN_NO_TITLE.to_owned() }
}

/// A page by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NumberedPage {
    number: u32,
    size: u16,
}

impl TaskQuery {
    /// The filter, the numbered page where one is asked for, and the page of `page` otherwise; or every fault of both.
    pub fn parse(&self, page: &PageQuery) -> Result<(TaskFilter, Option<NumberedPage>, Page<TaskId>), ApiError> {
        let mut faults = Vec::new();
        let filter = self.filter(&mut faults);
        let numbered = self.numbered(page.has_cursor(), &mut faults);
        let rest = if faults.is_empty() { Ok((filter, numbered)) } else { Err(faults) };
        let ((filter, numbered), page) = page.parse_beside(rest)?;
        Ok((filter, numbered.map(|numbered| numbered.or_limit(page.limit)), page))
    }

    fn filter(&self, faults: &mut Vec<FieldError>) -> TaskFilter {
        let completed = parse::<bool>(faults, "completed", given(&self.completed), "must be true or false");
        let mut status = parse_variant(faults, "status", given(&self.status), "must be pending or done");
        if let Some(by_completed) = completed.map(TaskStatus::from_completed) {
            let agrees = status.is_none_or(|status| status == by_completed);
            fault_unless(faults, agrees, "completed", "says something else than status");
            status = Some(by_completed);
        }
        let title_folded = parse_search_text(faults, "q", &self.q).map(|text| folded_pattern(text.as_str()));
        let device_id = parse(faults, "device_id", given(&self.device_id), "must be a device's ULID or UUID");
        TaskFilter { status, title_folded, device_id }
    }

    fn numbered(&self, has_cursor: bool, faults: &mut Vec<FieldError>) -> Option<UnsizedPage> {
        let (number_rule, size_rule) = ("must be a number from 1", "must be a number from 1 to 1000");
        let number: Option<u32> = parse(faults, "page", given(&self.page), number_rule);
        let size: Option<u16> = parse(faults, "page_size", given(&self.page_size), size_rule);
        fault_unless(faults, number != Some(0), "page", number_rule);
        let fits = size.is_none_or(|size| (1..=MAX_LIMIT).contains(&size));
        fault_unless(faults, fits, "page_size", size_rule);
        let is_numbered = number.is_some() || size.is_some();
        fault_unless(faults, !(is_numbered && has_cursor), "page", "cannot be had together with a cursor");
        is_numbered.then(|| UnsizedPage { number: number.unwrap_or(1), size })
    }
}

/// A numbered page that may take its size from `limit`.
struct UnsizedPage {
    number: u32,
    size: Option<u16>,
}

impl UnsizedPage {
    fn or_limit(self, limit: u16) -> NumberedPage {
        NumberedPage { number: self.number, size: self.size.unwrap_or(limit) }
    }
}

impl NumberedPage {
    pub fn window(self) -> Window {
        let offset = i64::from(self.number.saturating_sub(1)).saturating_mul(self.size.into());
        Window { after: None, offset, limit: self.size.into() }
    }

    /// Whether a list of `total` tasks goes on behind this page.
    pub fn has_next(self, total: i64) -> bool {
        self.window().offset.saturating_add(self.size.into()) < total
    }

    /// A link from the address `path?query` to what comes after this page's last task: by cursor, because a number
    /// means other tasks as soon as one is deleted.
    pub fn link_next(self, path: &str, query: &str, last: TaskId) -> String {
        let is_kept = |pair: &&str| {
            let name = pair.split('=').next().unwrap_or_default();
            !["", "page", "page_size", "limit"].contains(&name)
        };
        let others = query.split('&').filter(is_kept).map(str::to_owned);
        let query: Vec<_> = others.chain([format!("limit={}", self.size), format!("cursor={last}")]).collect();
        format!("<{path}?{}>; rel=\"next\"", query.join("&"))
    }
}

#[cfg(test)]
mod tests {
    use actix_web::web::Query;

    use super::{NumberedPage, TaskQuery};
    use crate::http::error::ApiError;
    use crate::http::extract::page::{DEFAULT_LIMIT, PageQuery};
    use crate::ids::TaskId;
    use crate::tasks::store::Window;
    use crate::tasks::types::TaskStatus;

    fn parse(query: &str) -> Result<(super::TaskFilter, Option<NumberedPage>), Vec<String>> {
        let tasks = Query::<TaskQuery>::from_query(query).unwrap();
        let page = Query::<PageQuery>::from_query(query).unwrap();
        match tasks.parse(&page) {
            Ok((filter, numbered, _)) => Ok((filter, numbered)),
            Err(ApiError::Validation(faults)) => Err(faults.into_iter().map(|fault| fault.pointer).collect()),
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn a_numbered_page_is_asked_for_by_any_of_its_names() {
        let page = |number, size| Some(NumberedPage { number, size });
        assert_eq!(parse("").unwrap().1, None);
        assert_eq!(parse("limit=5").unwrap().1, None);
        assert_eq!(parse("page=2").unwrap().1, page(2, DEFAULT_LIMIT));
        assert_eq!(parse("page=2&limit=5").unwrap().1, page(2, 5));
        assert_eq!(parse("page_size=7").unwrap().1, page(1, 7));
        let third = NumberedPage { number: 3, size: 10 };
        assert_eq!(third.window(), Window { after: None, offset: 20, limit: 10 });
        let last: TaskId = "01JD3ZK8M4T0Q2V6X9Y7B5C1RA".parse().unwrap();
        let link = third.link_next("/tasks", "page=3&page_size=10&q=a%20b", last);
        assert_eq!(link, "</tasks?q=a%20b&limit=10&cursor=01JD3ZK8M4T0Q2V6X9Y7B5C1RA>; rel=\"next\"");
    }

    #[test]
    fn the_text_to_search_for_is_folded_and_a_blank_parameter_is_absent() {
        let (filter, _) = parse("q=%20Filtração%20&status=&completed=true&device_id=").unwrap();
        assert_eq!(filter.title_folded.as_deref(), Some("filtracao"));
        assert_eq!((filter.status, filter.device_id), (Some(TaskStatus::Done), None));
    }

    #[test]
    fn every_fault_is_named() {
        let all = "status=half&completed=x&q=a%00b&device_id=x&page=0&page_size=1001&limit=0";
        let pointers = ["/completed", "/status", "/q", "/device_id", "/page", "/page_size", "/limit"];
        assert_eq!(parse(all).unwrap_err(), pointers);
        assert_eq!(parse("page=1&cursor=01JD3ZK8M4T0Q2V6X9Y7B5C1RA").unwrap_err(), ["/page"]);
        assert_eq!(parse("status=done&completed=false").unwrap_err(), ["/completed"]);
    }

    #[test]
    fn the_last_page_is_the_one_that_reaches_the_total() {
        let second = NumberedPage { number: 2, size: 10 };
        assert!(second.has_next(21));
        assert!(!second.has_next(20));
        assert!(!second.has_next(0));
        let far = NumberedPage { number: u32::MAX, size: 1_000 };
        assert!(!far.has_next(i64::from(u32::MAX)));
    }
}
