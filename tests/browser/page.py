#!/usr/bin/env python3
"""Uses every control of the demo's page and of the dashboard in a headless Chromium.

    python3 page.py PROGRAM SCREENSHOTS

PROGRAM is the built example `web_demo`. It ends with status 1 at the first
thing that is not as it should be, a console error among them.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import expect, sync_playwright

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]
PATIENCE = 20_000  # milliseconds for anything to come true
PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 900}

console = []


def listen(page):
    page.set_default_timeout(PATIENCE)
    page.on("console", lambda line: line.type in ("error", "warning") and console.append(line.text))
    page.on("pageerror", lambda error: console.append(str(error)))
    return page


def no_console_errors(but=""):
    """None, except for those that the browser itself writes about an answer that is meant."""
    found = [line for line in console if not (but and but in line)]
    assert not found, found
    console.clear()


def fits(page):
    """Nothing is wider than the window."""
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0, f"{wide} pixels too wide"


def value(locator):
    return float(locator.evaluate("element => element.value"))


def until(page, what, expression, argument=None):
    try:
        page.wait_for_function(expression, arg=argument, timeout=PATIENCE)
    except Exception as error:
        raise AssertionError(f"never: {what}") from error
    print("ok  ", what, flush=True)


def ask(page):
    page.click("#divide button:not([type=button])")
    until(page, "84 / 2 is 42", "() => document.querySelector('#quotient').textContent.startsWith('42:')")
    page.fill("#divisor", "0")
    page.press("#divisor", "Enter")
    until(page, "by zero is refused", "() => document.querySelector('#quotient').textContent.includes('cannot be divided')")
    no_console_errors(but="422")
    page.fill("#divisor", "2")
    page.click("#hundred")
    until(page, "100 at once", "() => document.querySelector('#quotient').textContent.startsWith('100 of 100')")
    until(page, "several workers answer", "() => (document.querySelector('#who').textContent.match(/worker/g) ?? []).length > 1")


POINTS = "name => document.querySelector(`#line-${name}`).getAttribute('points')?.split(' ').filter(Boolean).length ?? 0"


def prices(page):
    until(page, "prices draw a chart", f"() => ['EUR', 'GBP', 'CHF'].every(name => ({POINTS})(name) > 5)")
    before = page.text_content("#price-EUR")
    until(page, "a price changes", "before => document.querySelector('#price-EUR').textContent !== before", before)
    page.uncheck("#topics input[value='price.GBP']")
    until(page, "a topic that is not chosen has no line", f"() => ({POINTS})('GBP') === 0")
    points = page.evaluate(POINTS, "EUR")
    until(page, "the others go on", f"before => ({POINTS})('EUR') > before", points)
    page.check("#topics input[value='price.GBP']")
    until(page, "and it is there again", f"() => ({POINTS})('GBP') > 2")


def jobs(page):
    page.click("#push")
    until(page, "jobs are accepted", "() => document.querySelector('#accepted').value > 0")
    until(page, "a thousand jobs are done", "() => document.querySelector('#jobs').textContent === 'All 1,000 done.'")
    assert value(page.locator("#accepted")) == value(page.locator("#done")) == 1000
    expect(page.locator("#push")).to_be_enabled()


def slow(page):
    page.fill("#pace", "100")
    until(page, "the queue fills to its bound", "() => /20\\d of 200|2[12]\\d of 200/.test(document.querySelector('#behind-number').textContent)")
    until(page, "the publisher is slowed", "() => { const told = document.querySelector('#ticks').textContent.match(/^(\\d+) published/); return told && told[1] < 100; }")
    page.fill("#pace", "0")
    until(page, "the queue is empty again", "() => / 0 of 200/.test(document.querySelector('#behind-number').textContent)")


def kill(page):
    buttons = page.locator("#sockets button")
    assert buttons.count() >= 8, buttons.count()
    for index in range(buttons.count()):
        name = buttons.nth(index).get_attribute("data-socket")
        buttons.nth(index).click()
        state = "name => document.querySelector(`#sockets [data-socket='${name}']`).dataset.state"
        until(page, f"{name} goes down", f"name => ({state})(name) !== 'up'", name)
        until(page, f"{name} comes back", f"name => ({state})(name) === 'up'", name)
        until(page, f"{name} is said to be back", "name => document.querySelector('#killed').textContent.startsWith(`${name} is up again`)", name)


def dashboard(page, at, shots):
    page.goto(f"{at}zmq")
    until(page, "every socket has a card", "() => document.querySelectorAll('.socket').length >= 12")
    rate = "() => [...document.querySelectorAll('.socket .out b')].map(b => b.textContent).join()"
    before = page.evaluate(rate)
    until(page, "rates change", f"before => ({rate})() !== before", before)
    until(page, "lines grow", "() => document.querySelector('.out polyline').getAttribute('points').split(' ').length > 3")
    until(page, "events are told", "() => document.querySelectorAll('#events li').length > 10")
    until(page, "latency is told", "() => [...document.querySelectorAll('.facts dd')].some(dd => dd.textContent.includes('p99'))")

    page.keyboard.press("/")
    page.keyboard.type("jobs: queue")
    until(page, "the filter leaves one", "() => document.querySelectorAll('.socket:not([hidden])').length === 1")
    page.keyboard.type(" nobody")
    expect(page.locator("#none")).to_be_visible()
    page.fill("#filter", "")
    page.keyboard.press("Escape")
    until(page, "without it all are back", "() => document.querySelectorAll('.socket:not([hidden])').length >= 12")

    page.keyboard.press("p")
    expect(page.locator("#pause")).to_have_attribute("aria-pressed", "true")
    page.click("#pause")
    expect(page.locator("#pause")).to_have_attribute("aria-pressed", "false")
    page.locator(".socket summary").first.press("Enter")
    expect(page.locator(".socket .counters").first).to_be_visible()

    for theme in ("light", "dark"):
        page.keyboard.press("t")
        expect(page.locator("html")).to_have_attribute("data-theme", theme)
        page.screenshot(path=shots / f"dashboard-{theme}.png", full_page=True)
    page.click("#theme")
    assert page.locator("html").get_attribute("data-theme") is None

    # By keyboard alone to every control.
    page.reload()
    until(page, "it is there after a reload", "() => document.querySelectorAll('.socket').length >= 12")
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.tagName"))
    assert {"filter", "pause", "theme", "events", "SUMMARY"} <= reached, reached

    page.set_viewport_size(PHONE)
    fits(page)
    page.screenshot(path=shots / "dashboard-phone.png", full_page=True)


def main(program, shots):
    shots.mkdir(parents=True, exist_ok=True)
    server = subprocess.Popen([program], stdout=subprocess.PIPE, text=True)
    try:
        at = re.match(r"ready (\S+)", server.stdout.readline())[1]
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            page = listen(browser.new_page(viewport=DESK, color_scheme="light", locale="en-US"))
            page.goto(at)
            for part in (ask, prices, jobs, slow, kill):
                part(page)
                no_console_errors()
            page.screenshot(path=shots / "demo-light.png", full_page=True)
            page.emulate_media(color_scheme="dark")
            page.screenshot(path=shots / "demo-dark.png", full_page=True)
            page.set_viewport_size(PHONE)
            fits(page)
            page.screenshot(path=shots / "demo-phone.png", full_page=True)
            page.set_viewport_size(DESK)

            other = listen(browser.new_page(viewport=DESK, color_scheme="light", locale="en-US"))
            dashboard(other, at, shots)
            no_console_errors()
            other.close()

            page.on("dialog", lambda dialog: dialog.accept())
            page.click("#end")
            expect(page.locator("#gone")).to_be_visible(timeout=PATIENCE)
            until(page, "the report is shown", "() => document.querySelector('#report').textContent.includes('context terminated')")
            page.screenshot(path=shots / "demo-ended.png")
            no_console_errors(but="net::ERR_")
            browser.close()
        told, _ = server.communicate(timeout=PATIENCE / 1000)
        assert server.returncode == 0, server.returncode
        assert "asked to: HTTP has ended, all requests answered" in told, told
        assert "context terminated" in told, told
        print("ok   the end, with its report", flush=True)
    finally:
        server.kill()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
