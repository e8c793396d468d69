// Card numbers go from Stripe's frame to Stripe; the market hears only the name of what it made.
class CardForm extends HTMLElement {
  connectedCallback() {
    this.form = this.querySelector("form");
    [this.card, this.button, this.status] = this.form.children;
    this.label = this.button.textContent;
    this.submissions = 0;
    this.addEventListener("submit", (event) => {
      event.preventDefault();
      this.pay();
    });
    this.addEventListener("click", (event) => { if (event.target.type === "button") this.load(); });
    // Stripe measures the place of its form, so that must be seen.
    const folded = this.closest("details:not([open])");
    if (folded) folded.addEventListener("toggle", () => this.load(), { once: true });
    else this.load();
  }
  async load() {
    this.note?.remove();
    this.form.hidden = false;
    try {
      if (!window.Stripe) {
        await new Promise((onload, onerror) => {
          document.head.append(Object.assign(document.createElement("script"), { src: "https://js.stripe.com/endive/stripe.js", onload, onerror }));
          setTimeout(onerror, 15000);
        });
      }
      const { key, amount, currency } = this.dataset;
      this.stripe = Stripe(key);
      if (!amount) return;
      const theme = matchMedia("(prefers-color-scheme: dark)").matches ? "night" : "stripe";
      this.elements = this.stripe.elements({
        mode: "payment", amount: +amount, currency, captureMethod: "manual", paymentMethodTypes: ["card"], appearance: { theme },
      });
      const fields = this.elements.create("payment", { wallets: { applePay: "never", googlePay: "never", link: "never" } });
      fields.on("loaderror", () => this.tell("missing"));
      fields.mount(this.card);
    } catch {
      this.tell("missing");
    }
  }
  async pay() {
    if (!this.stripe || this.busy) return;
    this.show(true);
    this.note?.remove();
    try {
      // What has no answer yet is sent again as it was, with its key: it is paid once.
      this.pending ??= await this.submission();
      if (this.pending) await this.send();
    } catch {
      this.tell("unknown");
    }
    if (!this.leaving) this.show(false);
  }
  async submission() {
    const { order: orderId, attempt } = this.dataset;
    const { stripe, elements } = this;
    if (!elements) return { body: { orderId } };
    let made = await elements.submit();
    if (!made.error) made = await stripe.createConfirmationToken({ elements });
    const { error, confirmationToken } = made;
    if (!error) return { body: { orderId, confirmationToken: confirmationToken.id }, key: `${attempt}-${++this.submissions}` };
    // Stripe's form says by its fields what is wrong in them.
    if (error.type !== "validation_error") this.tell("refused", error.message);
  }
  async send() {
    const { body, key, last } = this.pending;
    const { orderId } = body;
    const headers = { "content-type": "application/json", ...(key && { "idempotency-key": key }) };
    const answer = await fetch("/api/payments", { method: "POST", headers, body: JSON.stringify(body) });
    if (answer.status > 499) throw answer;
    const { clientSecret, errors } = await answer.json();
    this.pending = null;
    if (clientSecret && !last) {
      // However the bank's dialog ends, the market asks Stripe then: the same payment goes on.
      this.pending = { body: { orderId }, last: true };
      await this.stripe.handleNextAction({ clientSecret });
      return this.send();
    }
    if (answer.ok || answer.status === 401) {
      this.leaving = true;
      return location.assign(`/orders/${orderId}`);
    }
    this.tell("refused", errors.map(({ message }) => message).join(" "));
    const order = await fetch(`/api/orders/${orderId}`).then((found) => found.json()).catch(() => "");
    this.form.hidden = /^c(omplete|ancelled)/.test(order.status);
  }
  // Busy, it stays while the page changes around it: refresh() in holdfast.js.
  show(busy) {
    const { button, card, status, pending } = this;
    this.busy = busy;
    button.setAttribute("aria-busy", busy);
    button.textContent = busy ? button.dataset.busy : pending ? "Ask again" : this.label;
    card.hidden = !busy && pending;
    status.firstChild.hidden = !busy;
  }
  tell(name, sentence) {
    this.note?.remove();
    this.note = this.querySelector(`[data-note=${name}]`).content.firstElementChild.cloneNode(true);
    if (sentence) this.note.querySelector("h2").textContent = sentence;
    if (name === "missing") this.form.hidden = true;
    this.prepend(this.note);
    this.note.focus();
  }
}
customElements.define("card-form", CardForm);
