/**
 * The page of the social example in a real browser, against the real system: two people write
 * and see each other live, the way of a post is drawn hop by hop, a lost connection is shown and
 * mended. Nothing is fetched from elsewhere and the console stays empty.
 */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type RunningSystem, startSystem } from "../../examples/running-system.ts";

const executable = [
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
].find((path) => existsSync(path));
const flags = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

describe.skipIf(executable === undefined)(
  "the page (skipped where no Chromium is installed)",
  () => {
    let system: RunningSystem;
    let browser: Browser;

    beforeAll(async () => {
      const app = fileURLToPath(new URL("../../examples/social/app.ts", import.meta.url));
      system = await startSystem(app, {
        readyPaths: ["/timelines/home?user=ada", "/notifications/list?user=ada"],
      });
      browser = await chromium.launch({ executablePath: executable ?? "", args: flags });
    });

    afterAll(async () => {
      await browser?.close();
      await system?.stop();
    });

    /** The page as somebody sees it, and everything that it complained about. */
    async function openAs(name: string, options: BrowserContextOptions = {}) {
      const context = await browser.newContext(options);
      const page = await context.newPage();
      const complaints: string[] = [];
      page.on("console", (message) => {
        if (["error", "warning"].includes(message.type())) complaints.push(message.text());
      });
      page.on("pageerror", (error) => complaints.push(String(error)));
      page.on("request", (request) => {
        if (!request.url().startsWith(system.url)) complaints.push(`asked for ${request.url()}`);
      });
      await page.goto(`${system.url}/?as=${name}`);
      await page.getByText("Live").waitFor();
      return { page, complaints, [Symbol.asyncDispose]: () => context.close() };
    }

    async function publish(page: Page, text: string) {
      await page.getByLabel("Text of the post").fill(text);
      await page.getByRole("button", { name: "Publish" }).click();
      await page.getByText("Accepted after").waitFor();
    }

    const timeline = (page: Page) => page.getByRole("region", { name: "Timeline" });
    const notifications = (page: Page) => page.getByRole("region", { name: /^Notifications/ });
    const trace = (page: Page) => page.getByRole("region", { name: "The way of a post" });

    it("shows a post, the thirteen hops of its way, and the notification at the other person's", async () => {
      await using grace = await openAs("grace");
      await using ada = await openAs("ada");
      await grace.page.getByText("Nobody has mentioned you yet").waitFor();
      await publish(ada.page, "hello @grace");

      await timeline(ada.page).getByText("hello @grace").waitFor();
      const hops = trace(ada.page).locator(".hop");
      await hops.nth(12).waitFor();
      expect(await hops.locator(".hop-number").allTextContents()).toEqual(
        Array.from({ length: 13 }, (_, index) => String(index + 1)),
      );
      expect(await trace(ada.page).getByRole("heading", { level: 3 }).allTextContents()).toEqual([
        expect.stringContaining("Request"),
        expect.stringContaining("Worker A"),
        expect.stringContaining("Worker B"),
      ]);
      const spoken = await hops.nth(4).getByRole("img").getAttribute("aria-label");
      expect(spoken).toMatch(/^starts after .+ [mµ]?s, takes .+ [mµ]?s/);

      await notifications(grace.page)
        .getByText("mentioned you", { exact: false })
        .first()
        .waitFor();
      await notifications(grace.page).getByText("1 new").waitFor();
      await grace.page.getByRole("button", { name: "Mark all as read" }).click();
      await notifications(grace.page).getByText("1 new").waitFor({ state: "hidden" });
      expect([...ada.complaints, ...grace.complaints]).toEqual([]);
    });

    it("lets people follow each other, by keyboard alone", async () => {
      await using henry = await openAs("henry");
      await publish(henry.page, "a post by henry");
      await using ida = await openAs("ida");
      const follow = ida.page.getByRole("button", { name: "Follow henry" });
      await follow.focus();
      await ida.page.keyboard.press("Enter");
      await timeline(ida.page).getByText("a post by henry").waitFor();
      expect(await follow.getAttribute("aria-pressed")).toBe("true");

      await ida.page.getByLabel("Text of the post").focus();
      await ida.page.keyboard.type("typed, not clicked");
      await ida.page.keyboard.press("Control+Enter");
      await timeline(ida.page).getByText("typed, not clicked").waitFor();

      await timeline(ida.page).getByRole("button", { name: "henry", exact: true }).focus();
      await ida.page.keyboard.press("Enter");
      await ida.page.getByRole("dialog").getByText("1 follower, follows 0 people").waitFor();
      await ida.page.keyboard.press("Escape");
      await ida.page.getByRole("dialog").waitFor({ state: "hidden" });
      expect(ida.complaints).toEqual([]);
    });

    it("shows what people write as text, whatever it is", async () => {
      await using page = await openAs("mallory");
      const text = "<img src=x onerror=alert(1)> & <script>alert(2)</script> @grace";
      await publish(page.page, text);
      await timeline(page.page).getByText("<img src=x onerror=alert(1)>").waitFor();
      expect(await page.page.locator("main img, main script").count()).toBe(0);
      expect(page.complaints).toEqual([]);
    });

    it("shows a lost connection, keeps what was written, and mends by itself", async () => {
      await using nina = await openAs("nina");
      await nina.page.context().setOffline(true);
      await nina.page.getByLabel("Text of the post").fill("written without a connection");
      await nina.page.getByRole("button", { name: "Publish" }).click();
      await nina.page.getByText("Connection lost").waitFor();
      await nina.page.getByText("Not accepted yet").waitFor();
      await nina.page.context().setOffline(false);
      await nina.page.getByText("Live").waitFor();
      const posts = timeline(nina.page).getByText("written without a connection");
      await posts.waitFor();
      expect(await posts.count()).toBe(1);
    });

    it("fits a small screen, and follows the person's choice of dark", async () => {
      const background = (page: Page) =>
        page.evaluate("getComputedStyle(document.body).backgroundColor");
      await using light = await openAs("olga", { viewport: { width: 360, height: 740 } });
      await using dark = await openAs("olga", { colorScheme: "dark" });
      await publish(
        light.page,
        "hello @grace, this is a rather longlonglonglonglonglonglonglong word",
      );
      await trace(light.page).locator(".hop").nth(12).waitFor();
      expect(await light.page.evaluate("document.documentElement.scrollWidth")).toBe(360);
      expect(await background(light.page)).not.toBe(await background(dark.page));
      expect([...light.complaints, ...dark.complaints]).toEqual([]);
    });
  },
);
