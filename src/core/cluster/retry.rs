//! Sends requests again that the API server has put off.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{Request, Response, StatusCode};
use kube::client::Body;
use tokio::time::{Instant, sleep};
use tower::{BoxError, Service, ServiceExt};

/// As often as client-go sends a request again (`rest.Request`, `maxRetries`).
const MOST_RETRIES: u32 = 10;

/// Sends a request again that the server has put off: 429 or 503, with the header
/// `Retry-After` in seconds, as client-go does (`rest/with_retry.go`). Neither was carried
/// out. An answer whose wait would end after the time limit is the last one.
#[derive(Clone)]
pub(super) struct Retry<S> {
    service: S,
    limit: Option<Duration>,
}

impl<S> Retry<S> {
    pub(super) fn new(service: S, limit: Option<Duration>) -> Self {
        Self { service, limit }
    }
}

impl<S, B> Service<Request<Body>> for Retry<S>
where
    S: Service<Request<Body>, Response = Response<B>, Error = BoxError> + Clone + Send + 'static,
    S::Future: Send,
    B: Send,
{
    type Response = Response<B>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<B>, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let mut service = self.service.clone();
        let end = self.limit.map(|limit| Instant::now() + limit);
        Box::pin(async move {
            let (parts, mut body) = request.into_parts();
            let mut retries = 0;
            loop {
                let same = body.try_clone();
                let request = Request::from_parts(parts.clone(), body);
                let answer = service.ready().await?.call(request).await?;
                let wait = wait_of(&answer).filter(|wait| {
                    let is_in_time = end.is_none_or(|end| Instant::now() + *wait < end);
                    is_in_time && retries < MOST_RETRIES
                });
                let (Some(wait), Some(same)) = (wait, same) else {
                    return Ok(answer);
                };
                drop(answer);
                sleep(wait).await;
                body = same;
                retries += 1;
            }
        })
    }
}

/// How long the server asks to wait.
fn wait_of<B>(answer: &Response<B>) -> Option<Duration> {
    let is_put_off = matches!(
        answer.status(),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
    );
    let seconds = answer.headers().get(RETRY_AFTER)?.to_str().ok()?;
    // A day is more than anyone waits, and cannot overflow.
    let seconds: u64 = seconds.trim().parse().ok()?;
    is_put_off.then(|| Duration::from_secs(seconds.min(24 * 60 * 60)))
}
