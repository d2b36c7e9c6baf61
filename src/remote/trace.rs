//! The spans of a call, and how the context of its trace gets across the wire.
//!
//! Spans are those of `tracing`. The context is OpenTelemetry's, with the feature
//! of that name, and whatever the global propagator makes of it.

use std::borrow::Cow;
use std::fmt;

use actix::Message;
use tracing::Span;
use tracing::field::{Empty, debug};
use tracing::level_filters::LevelFilter;

#[cfg(feature = "opentelemetry")]
use self::context::{Context, OpenTelemetrySpanExt, TraceContextExt};
use crate::error::ErrorKind;
use crate::framing::call::Fields;
use crate::tally::name_of;

/// A message with the span of its call, for an actor that is to know it: route a
/// `Recipient<Traced<M>>` with [`Route::traced`](crate::Route::traced).
///
/// An actor handles its messages in its own mailbox, where the span of the call
/// is not the current one. The handler enters it, or gives it to the futures
/// that it returns (`tracing::Instrument`); what is called from there belongs to
/// the caller's trace. Where nobody subscribes to spans it is a disabled one,
/// and costs nothing.
///
/// The span ends when the call is answered and all its clones are dropped.
///
/// # Examples
/// ```
/// use actix_zmq::Traced;
/// use actix_zmq::prelude::*;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Message, Serialize, Deserialize)]
/// #[rtype(result = "i64")]
/// struct Add(i64, i64);
///
/// struct Adder;
///
/// impl Actor for Adder {
///     type Context = Context<Self>;
/// }
///
/// impl Handler<Traced<Add>> for Adder {
///     type Result = i64;
///
///     fn handle(&mut self, Traced { message, span }: Traced<Add>, _: &mut Context<Self>) -> i64 {
///         let _entered = span.enter();
///         message.0 + message.1
///     }
/// }
///
/// fn service(adder: &Addr<Adder>) -> Service {
///     Service::new("calculator").route(Route::traced(adder.clone().recipient()))
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Traced<M> {
    /// The message.
    pub message: M,
    /// The span of the call, on the side of the service.
    pub span: Span,
}

impl<M: Message> Message for Traced<M> {
    type Result = M::Result;
}

/// A span, in one word where there is none.
#[derive(Clone, Default)]
pub(crate) struct Trace(Option<Box<Span>>);

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Trace").field(&self.0).finish()
    }
}

impl Trace {
    fn of(span: Span) -> Self {
        Self((!span.is_disabled()).then(|| Box::new(span)))
    }

    /// The span of a call on the caller's side, which may be made of several attempts.
    pub(crate) fn call(
        from: &Origin,
        name: impl FnOnce() -> Cow<'static, str>,
        socket: Option<&str>,
        again: bool,
    ) -> Self {
        if !is_wanted() {
            return Self::default();
        }
        let name = name();
        let kind = if again { "internal" } else { "client" };
        let trace = Self::of(tracing::info_span!(
            parent: from.span(),
            "call",
            otel.name = display(format_args!("call {name}")),
            otel.kind = kind,
            messaging.system = "zeromq",
            messaging.operation.name = "call",
            messaging.operation.r#type = "send",
            messaging.client.id = socket,
            rpc.method = &*name,
            error.r#type = Empty,
            otel.status_code = Empty,
        ));
        #[cfg(feature = "opentelemetry")]
        if let (Some(span), Some(context)) = (&trace.0, from.context()) {
            // It fails where nobody would see it.
            let _ = span.set_parent(context.clone());
        }
        trace
    }

    /// The span of one of several attempts.
    pub(crate) fn attempt(&self, before: u32) -> Self {
        let Some(call) = &self.0 else { return Self::default() };
        Self::of(tracing::info_span!(
            parent: &**call,
            "attempt",
            otel.kind = "client",
            messaging.system = "zeromq",
            messaging.operation.name = "call",
            messaging.operation.r#type = "send",
            rpc.resend_count = i64::from(before),
            error.r#type = Empty,
            otel.status_code = Empty,
        ))
    }

    /// The span of a call on the side of the service.
    pub(crate) fn serve(fields: Fields<'_>, name: &str, service: &str, size: usize) -> Self {
        if !is_wanted() {
            return Self::default();
        }
        let trace = Self::of(tracing::info_span!(
            parent: None,
            "serve",
            otel.name = display(format_args!("serve {name}")),
            otel.kind = "server",
            messaging.system = "zeromq",
            messaging.operation.name = "serve",
            messaging.operation.r#type = "process",
            messaging.destination.name = service,
            messaging.message.body.size = i64::try_from(size).unwrap_or(i64::MAX),
            rpc.method = name,
            error.r#type = Empty,
            otel.status_code = Empty,
        ));
        #[cfg(feature = "opentelemetry")]
        if let Some(span) = trace.0.as_ref().filter(|_| !fields.is_empty()) {
            let _ = span.set_parent(context::read(fields));
        }
        #[cfg(not(feature = "opentelemetry"))]
        let _ = fields;
        trace
    }

    /// The span itself, or a disabled one.
    pub(crate) fn span(&self) -> Span {
        self.0.as_deref().cloned().unwrap_or_else(Span::none)
    }

    pub(crate) fn in_scope<R>(&self, work: impl FnOnce() -> R) -> R {
        match &self.0 {
            Some(span) => span.in_scope(work),
            None => work(),
        }
    }

    /// The call has failed on the caller's side.
    pub(crate) fn failed(&self, kind: ErrorKind) {
        if let Some(span) = &self.0 {
            span.record("error.type", debug(kind)).record("otel.status_code", "ERROR");
        }
    }

    /// Whoever called has gone.
    pub(crate) fn cancelled(&self) {
        if let Some(span) = &self.0 {
            span.record("error.type", "cancelled").record("otel.status_code", "ERROR");
        }
    }

    /// The service has answered with a failure.
    pub(crate) fn refused(&self, why: crate::framing::call::Failure) {
        if let Some(span) = &self.0 {
            span.record("error.type", name_of(why)).record("otel.status_code", "ERROR");
        }
    }

    /// What goes along with a call, so that what serves it belongs to this span
    /// or, where there is none, to what it was made in.
    pub(crate) fn fields(&self, from: &Origin) -> Vec<u8> {
        #[cfg(feature = "opentelemetry")]
        if self.0.is_some() || from.0.is_some() {
            let own = self.0.as_ref().map(|span| span.context());
            let own = own.filter(Context::has_active_span);
            let context = own.or_else(|| from.context().cloned());
            return context::written(&context.unwrap_or_else(|| from.span().context()));
        }
        let _ = from;
        Vec::new()
    }
}

/// Whether anybody may want these spans. Without it a span that nobody wants
/// would have all its fields looked at.
fn is_wanted() -> bool {
    tracing::span_enabled!(tracing::Level::INFO)
}

/// Where a call was made: the span that was current there, if there was any.
#[derive(Clone, Default)]
pub(crate) struct Origin(Option<Box<Made>>);

#[derive(Clone)]
struct Made {
    span: Span,
    #[cfg(feature = "opentelemetry")]
    context: Option<Context>,
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Origin").field(&self.span().id()).finish()
    }
}

impl Origin {
    /// Here.
    pub(crate) fn here() -> Self {
        // It asks less than `Span::current` where nobody listens.
        let span = match LevelFilter::current() {
            LevelFilter::OFF => Span::none(),
            _ => Span::current(),
        };
        #[cfg(feature = "opentelemetry")]
        let context = context::current();
        #[cfg(feature = "opentelemetry")]
        let is_none = span.is_none() && context.is_none();
        #[cfg(not(feature = "opentelemetry"))]
        let is_none = span.is_none();
        if is_none {
            return Self(None);
        }
        Self(Some(Box::new(Made {
            span,
            #[cfg(feature = "opentelemetry")]
            context,
        })))
    }

    fn span(&self) -> Span {
        self.0.as_ref().map_or_else(Span::none, |made| made.span.clone())
    }

    #[cfg(feature = "opentelemetry")]
    fn context(&self) -> Option<&Context> {
        self.0.as_ref()?.context.as_ref()
    }
}

#[cfg(feature = "opentelemetry")]
mod context {
    pub(super) use opentelemetry::Context;
    use opentelemetry::baggage::BaggageExt;
    use opentelemetry::global::get_text_map_propagator;
    use opentelemetry::propagation::{Extractor, Injector};
    pub(super) use opentelemetry::trace::TraceContextExt;
    pub(super) use tracing_opentelemetry::OpenTelemetrySpanExt;

    use crate::framing::call::{Fields, add_field};

    /// The current one, if there is anything in it.
    pub(super) fn current() -> Option<Context> {
        Context::map_current(|context| {
            let has_any = context.has_active_span() || !context.baggage().is_empty();
            has_any.then(|| context.clone())
        })
    }

    pub(super) fn written(context: &Context) -> Vec<u8> {
        let mut fields = Writing(Vec::new());
        get_text_map_propagator(|propagator| propagator.inject_context(context, &mut fields));
        fields.0
    }

    pub(super) fn read(fields: Fields<'_>) -> Context {
        get_text_map_propagator(|propagator| {
            propagator.extract_with_context(&Context::new(), &Reading(fields))
        })
    }

    struct Writing(Vec<u8>);

    impl Injector for Writing {
        fn set(&mut self, key: &str, value: String) {
            // What has no room is left out.
            add_field(&mut self.0, key, &value);
        }
    }

    struct Reading<'a>(Fields<'a>);

    impl Extractor for Reading<'_> {
        fn get(&self, key: &str) -> Option<&str> {
            self.0.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| value)
        }

        fn keys(&self) -> Vec<&str> {
            self.0.iter().map(|(name, _)| name).collect()
        }
    }
}
