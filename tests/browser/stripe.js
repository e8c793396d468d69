// A stand-in for Stripe.js that takes what its documentation says (docs.stripe.com/js), and nothing else.
// The number that is typed decides on the confirmation token. The bank's answer comes from api.stripe.com.
window.stripeCalls = [];
const MADE = { 4242: "ctoken_visa", 3184: "ctoken_authenticationRequired", 9995: "ctoken_chargeDeclinedInsufficientFunds" };
window.Stripe = (key) => {
  if (!key.startsWith("pk_")) throw new Error("IntegrationError: a publishable key is needed");
  let field;
  let submitted = false;
  return {
    elements(options) {
      if (!Number.isInteger(options.amount) || options.currency !== options.currency.toLowerCase()) throw new Error("IntegrationError: amount or currency");
      window.stripeCalls.push(["elements", options]);
      return {
        create(type, more) {
          window.stripeCalls.push(["create", type, more]);
          return {
            on() {},
            mount(place) {
              place.innerHTML = '<p><label>Card number <input inputmode="numeric"></label></p><p class="error"></p>';
              field = place.querySelector("input");
            },
          };
        },
        async submit() {
          submitted = /^\d{16}$/.test(field.value);
          field.closest("div").querySelector(".error").textContent = submitted ? "" : "Your card number is incomplete.";
          return submitted ? {} : { error: { type: "validation_error", message: "Your card number is incomplete." } };
        },
      };
    },
    async createConfirmationToken({ elements }) {
      if (!elements || !submitted) throw new Error("IntegrationError: elements.submit() comes first");
      window.stripeCalls.push(["createConfirmationToken"]);
      const id = MADE[field.value.slice(-4)];
      return id ? { confirmationToken: { id } } : { error: { type: "api_error", message: "Stripe cannot be asked now." } };
    },
    async handleNextAction({ clientSecret }) {
      const answer = await fetch("https://api.stripe.com/bank", { method: "POST", body: clientSecret });
      const { succeeds } = await answer.json();
      return succeeds ? { paymentIntent: { status: "requires_capture" } } : { error: { code: "payment_intent_authentication_failure" } };
    },
  };
};
