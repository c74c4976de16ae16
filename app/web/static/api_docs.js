// Swagger UI on the service's own description. Nothing is sent to a validator, and a token that was
// entered is forgotten with the page.
(() => {
  "use strict";

  const place = document.getElementById("api");
  SwaggerUIBundle({
    url: place.dataset.openapi,
    domNode: place,
    deepLinking: true,
    validatorUrl: null,
    persistAuthorization: false,
  });
})();
