//! Which tasks are wanted, and which page of them: after a cursor, as all lists, or by number, as to-do clients ask.

use std::str::FromStr;

use crate::ids::{TaskId, UserId};
use actix_web::http::header::LINK;
use actix_web::{HttpRequest, HttpResponse};
use pulso_shared::ids::DeviceId;
use serde::Deserialize;
use utoipa::IntoParams;

use super::answer::TaskResponse;
use super::folding::fold;
use super::store::{self, TaskFilter, Window};
use super::types::{SearchText, TaskStatus};
use crate::http::error::{ApiError, FieldError};
use crate::http::extract::page::{MAX_LIMIT, Page, PageQuery};
use crate::state::AppState;

/// Which tasks are wanted.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct TaskQuery {
    /// How far they are. `completed` is another word for `done`.
    #[param(inline, value_type = Option<TaskStatus>)]
    status: Option<String>,
    /// The same as a yes or no.
    #[param(value_type = Option<bool>)]
    completed: Option<String>,
    /// Part of the title, whatever its case and accents.
    #[param(max_length = 200)]
    q: Option<String>,
    /// Those about this device (ULID or UUID).
    device_id: Option<String>,
    /// The page with this number, from 1, instead of a cursor. Such an answer counts all tasks in `X-Total-Count`.
    #[param(value_type = Option<u32>, minimum = 1)]
    page: Option<String>,
    /// Tasks on a numbered page; `limit` by another name.
    #[param(value_type = Option<u16>, minimum = 1, maximum = 1000, default = 100)]
    page_size: Option<String>,
}

/// A page by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct NumberedPage {
    number: u32,
    size: u16,
}

/// Answers with the page that is asked for.
///
/// # Errors
/// 422 with everything that is wrong in the query.
pub async fn respond(
    state: &AppState,
    owner: UserId,
    request: &HttpRequest,
    query: &TaskQuery,
    page: &PageQuery,
) -> Result<HttpResponse, ApiError> {
    let (filter, numbered, page) = query.parse(page)?;
    let mut connection = state.db.get().await?;
    let Some(numbered) = numbered else {
        let window = Window { after: page.after, offset: 0, limit: page.fetch_limit() };
        let tasks = store::list_tasks(&mut connection, owner, &filter, window).await?;
        return Ok(page.respond(request, tasks.into_iter().map(TaskResponse::from).collect(), |task| task.id));
    };
    let total = store::count_tasks(&mut connection, owner, &filter).await?;
    let tasks = store::list_tasks(&mut connection, owner, &filter, numbered.window()).await?;
    let mut response = HttpResponse::Ok();
    response.insert_header(("X-Total-Count", total));
    if numbered.window().offset.saturating_add(numbered.size.into()) < total {
        response.insert_header((LINK, numbered.link_next(request)));
    }
    Ok(response.json(tasks.into_iter().map(TaskResponse::from).collect::<Vec<_>>()))
}

impl TaskQuery {
    fn parse(&self, page: &PageQuery) -> Result<(TaskFilter, Option<NumberedPage>, Page<TaskId>), ApiError> {
        let mut faults = Vec::new();
        let filter = self.filter(&mut faults);
        let numbered = self.numbered(page.has_cursor(), &mut faults);
        match page.parse() {
            Ok(page) if faults.is_empty() => Ok((filter, numbered.map(|size| size.or_limit(page.limit)), page)),
            Err(ApiError::Validation(more)) => Err(ApiError::Validation(faults.into_iter().chain(more).collect())),
            Err(error) => Err(error),
            Ok(_) => Err(ApiError::Validation(faults)),
        }
    }

    fn filter(&self, faults: &mut Vec<FieldError>) -> TaskFilter {
        let completed = read(&self.completed, "completed", "must be true or false", faults);
        let mut status = given(&self.status).and_then(|word| {
            let status = TaskStatus::named(word);
            fault_unless(status.is_some(), "status", "must be pending or done", faults);
            status
        });
        if let Some(by_completed) = completed.map(TaskStatus::from_completed) {
            let agrees = status.is_none_or(|status| status == by_completed);
            fault_unless(agrees, "completed", "says something else than status", faults);
            status = Some(by_completed);
        }
        let title_folded = given(&self.q).and_then(|text| match SearchText::try_from(text.to_owned()) {
            Ok(text) => Some(fold(text.as_str())),
            Err(error) => {
                faults.push(FieldError::new("q", "invalid", error));
                None
            }
        });
        let device_id = read::<DeviceId>(&self.device_id, "device_id", "must be a device's ULID or UUID", faults);
        TaskFilter { status, title_folded, device_id }
    }

    fn numbered(&self, has_cursor: bool, faults: &mut Vec<FieldError>) -> Option<UnsizedPage> {
        let number = read::<u32>(&self.page, "page", "must be a number from 1", faults);
        let size = read::<u16>(&self.page_size, "page_size", "must be a number from 1 to 1000", faults);
        fault_unless(number != Some(0), "page", "must be a number from 1", faults);
        let fits = size.is_none_or(|size| (1..=MAX_LIMIT).contains(&size));
        fault_unless(fits, "page_size", "must be a number from 1 to 1000", faults);
        let is_numbered = number.is_some() || size.is_some();
        fault_unless(!(is_numbered && has_cursor), "page", "cannot be had together with a cursor", faults);
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
    fn window(self) -> Window {
        let offset = i64::from(self.number.saturating_sub(1)).saturating_mul(self.size.into());
        Window { after: None, offset, limit: self.size.into() }
    }

    /// This request's own address with the next number put in.
    fn link_next(self, request: &HttpRequest) -> String {
        let others = request.query_string().split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("page="));
        let query: Vec<_> =
            others.map(str::to_owned).chain([format!("page={}", self.number.saturating_add(1))]).collect();
        format!("<{}?{}>; rel=\"next\"", request.path(), query.join("&"))
    }
}

/// A blank parameter, which is what forms send for an empty box, is as good as absent.
fn given(parameter: &Option<String>) -> Option<&str> {
    parameter.as_deref().map(str::trim).filter(|text| !text.is_empty())
}

fn read<T: FromStr>(
    parameter: &Option<String>,
    name: &'static str,
    rule: &'static str,
    faults: &mut Vec<FieldError>,
) -> Option<T> {
    let parsed = given(parameter)?.parse().ok();
    fault_unless(parsed.is_some(), name, rule, faults);
    parsed
}

fn fault_unless(is_right: bool, name: &'static str, rule: &'static str, faults: &mut Vec<FieldError>) {
    if !is_right {
        faults.push(FieldError::new(name, "invalid", rule));
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use actix_web::web::Query;

    use super::{NumberedPage, TaskQuery, TaskStatus, Window};
    use crate::http::error::ApiError;
    use crate::http::extract::page::{DEFAULT_LIMIT, PageQuery};

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
    fn a_numbered_page_is_had_by_any_of_its_names() {
        let page = |number, size| Some(NumberedPage { number, size });
        assert_eq!(parse("").unwrap().1, None);
        assert_eq!(parse("limit=5").unwrap().1, None);
        assert_eq!(parse("page=2").unwrap().1, page(2, DEFAULT_LIMIT));
        assert_eq!(parse("page=2&limit=5").unwrap().1, page(2, 5));
        assert_eq!(parse("page_size=7").unwrap().1, page(1, 7));
        let third = NumberedPage { number: 3, size: 10 };
        assert_eq!(third.window(), Window { after: None, offset: 20, limit: 10 });
        let request = TestRequest::with_uri("/tasks?page=3&page_size=10&q=a%20b").to_http_request();
        assert_eq!(third.link_next(&request), "</tasks?page_size=10&q=a%20b&page=4>; rel=\"next\"");
    }

    #[test]
    fn what_is_looked_for_is_folded_and_blanks_are_nothing() {
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
}
