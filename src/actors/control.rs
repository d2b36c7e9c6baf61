//! Changing and ending a socket at runtime.

use std::time::Instant;

use actix::{Context, Handler, ResponseFuture};

use super::open;
use super::pattern::Pattern;
use super::shared::LastCall;
use super::socket::Socket;
use crate::blueprint::Plan;
use crate::endpoint::Endpoint;
use crate::engine::deadlines::after;
use crate::error::{Error, ErrorKind, Result};
use crate::kinds::Routes;
use crate::messages::{
    Bind, Close, Connect, ConnectAs, Disconnect, GetOption, Restart, SetOption, SocketReport,
    SocketState, Unbind, Watch,
};
use crate::options::SocketOption;

impl<K: Pattern> Socket<K> {
    /// A change of endpoints needs the socket itself.
    fn check_up(&self) -> Result<()> {
        self.check_open()?;
        match self.state() {
            SocketState::Up => Ok(()),
            _ => Err(Error::new(ErrorKind::Restarting)),
        }
    }

    /// Leaves an endpoint, named as given or as resolved.
    fn leave(&mut self, endpoint: Result<Endpoint>, bind: bool) -> Result<()> {
        self.check_up()?;
        let endpoint = endpoint?;
        let found = self.endpoints_mut().iter().position(|plan| {
            plan.bind == bind
                && (plan.given == endpoint || plan.resolved.as_ref() == Some(&endpoint))
        });
        let Some(index) = found else {
            let way = if bind { "not bound there" } else { "not connected there" };
            return Err(Error::new(ErrorKind::NotFound).at(endpoint.as_str()).detail(way));
        };
        let plan = self.endpoints_mut().remove(index);
        let name = plan.resolved.unwrap_or(plan.given);
        let left = self.with_socket(|socket| {
            if bind { socket.unbind(name.as_str()) } else { socket.disconnect(name.as_str()) }
        });
        self.connections_mut().left(Instant::now());
        self.publish_endpoints();
        left.map_err(|error| error.at(name.as_str()))
    }
}

impl<K: Pattern> Handler<Bind> for Socket<K> {
    type Result = Result<Endpoint>;

    fn handle(&mut self, Bind(endpoint): Bind, ctx: &mut Context<Self>) -> Result<Endpoint> {
        self.breathe(ctx);
        self.check_up()?;
        let given = endpoint?;
        given.check_bind()?;
        let resolved = self.with_live(|live| live.bind(&given))?;
        let plan = Plan { resolved: Some(resolved.clone()), ..Plan::new(given, true) };
        self.endpoints_mut().push(plan);
        self.publish_endpoints();
        self.shared().family.found(&resolved);
        Ok(resolved)
    }
}

impl<K: Pattern> Handler<Connect> for Socket<K> {
    type Result = Result<()>;

    fn handle(&mut self, Connect(endpoint): Connect, ctx: &mut Context<Self>) -> Result<()> {
        self.breathe(ctx);
        self.check_up()?;
        let given = endpoint?;
        given.check_connect()?;
        self.with_socket(|socket| Ok(open::connect(socket, &given)))??;
        let connected = Some(Instant::now());
        self.endpoints_mut().push(Plan { connected, ..Plan::new(given, false) });
        self.publish_endpoints();
        Ok(())
    }
}

impl<K: Routes + Pattern> Handler<ConnectAs> for Socket<K> {
    type Result = Result<()>;

    fn handle(&mut self, connect: ConnectAs, ctx: &mut Context<Self>) -> Result<()> {
        self.breathe(ctx);
        self.check_open()?;
        let (given, peer) = (connect.endpoint?, connect.peer);
        given.check_connect()?;
        open::check_id(&peer)?;
        if self.endpoints_mut().iter().any(|plan| plan.peer.as_ref() == Some(&peer)) {
            return Err(open::id_in_use(&peer).at(given.as_str()));
        }
        self.check_up()?;
        if self.with_live(|live| live.has_peer(&peer))? {
            return Err(open::id_in_use(&peer).at(given.as_str()));
        }
        // Nobody else can have come, and nobody had that name before.
        let alone = self.endpoints_mut().iter().all(|plan| !plan.bind && plan.peer.is_some())
            && !self.names_mut().contains(&peer);
        if alone {
            self.with_live(|live| live.connect_as(&given, &peer))?;
            self.names_mut().push(peer.clone());
        }
        let connected = alone.then(Instant::now);
        self.endpoints_mut().push(Plan { connected, peer: Some(peer), ..Plan::new(given, false) });
        self.publish_endpoints();
        if !alone {
            self.reopen("a peer is to be known by a name, which libzmq gives first of all");
        }
        Ok(())
    }
}

impl<K: Pattern> Handler<Unbind> for Socket<K> {
    type Result = Result<()>;

    fn handle(&mut self, Unbind(endpoint): Unbind, ctx: &mut Context<Self>) -> Result<()> {
        self.breathe(ctx);
        self.leave(endpoint, true)
    }
}

impl<K: Pattern> Handler<Disconnect> for Socket<K> {
    type Result = Result<()>;

    fn handle(&mut self, Disconnect(endpoint): Disconnect, ctx: &mut Context<Self>) -> Result<()> {
        self.breathe(ctx);
        self.leave(endpoint, false)
    }
}

impl<K: Pattern> Handler<Restart> for Socket<K> {
    type Result = Result<()>;

    fn handle(&mut self, _: Restart, ctx: &mut Context<Self>) -> Result<()> {
        self.breathe(ctx);
        self.restart()
    }
}

impl<K: Pattern> Handler<Watch> for Socket<K> {
    type Result = ();

    fn handle(&mut self, Watch(recipient): Watch, ctx: &mut Context<Self>) {
        self.breathe(ctx);
        self.events_mut().watch(recipient);
    }
}

impl<K: Pattern> Handler<SetOption> for Socket<K> {
    type Result = Result<()>;

    fn handle(&mut self, SetOption(option): SetOption, ctx: &mut Context<Self>) -> Result<()> {
        self.breathe(ctx);
        self.check_open()?;
        option.check(K::TYPE)?;
        option.name().check_support()?;
        // Messages of several frames that are on their way would be mixed up, a
        // descriptor used twice, and peers lose their names.
        let named = self.endpoints_mut().iter().any(|plan| plan.peer.is_some());
        let too_late = match option {
            SocketOption::Conflate(_) | SocketOption::UseFd(_) => true,
            SocketOption::Immediate(on) => on && named,
            _ => false,
        };
        if too_late {
            let error = Error::new(ErrorKind::InvalidOption);
            return Err(error.detail(format!("{} must be set before", option.name())));
        }
        if self.state() == SocketState::Up {
            self.with_socket(|socket| Ok(option.set(socket)))??;
        }
        match option {
            SocketOption::Linger(linger) => self.opening_mut().linger = linger,
            option => self.opening_mut().options.set(option),
        }
        Ok(())
    }
}

impl<K: Pattern> Handler<GetOption> for Socket<K> {
    type Result = Result<SocketOption>;

    fn handle(
        &mut self,
        GetOption(name): GetOption,
        ctx: &mut Context<Self>,
    ) -> Result<SocketOption> {
        self.breathe(ctx);
        self.check_up()?;
        self.with_socket(|socket| Ok(name.get(socket, K::TYPE)))?
    }
}

impl<K: Pattern> Handler<LastCall> for Socket<K> {
    type Result = ();

    fn handle(&mut self, _: LastCall, _ctx: &mut Context<Self>) {
        self.last_call();
    }
}

impl<K: Pattern> Handler<Close> for Socket<K> {
    type Result = ResponseFuture<Result<SocketReport>>;

    fn handle(&mut self, close: Close, ctx: &mut Context<Self>) -> Self::Result {
        self.breathe(ctx);
        self.last_call();
        let now = Instant::now();
        let deadline = after(now, close.within.unwrap_or_else(|| self.linger()));
        let told = self.shared().order_close(deadline, None);
        Box::pin(async move { told.await.map_err(|_| Error::new(ErrorKind::Closed)) })
    }
}
