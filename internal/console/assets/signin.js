import { post } from './api.js';
import { h, show } from './dom.js';
import { notice } from './parts.js';

// signIn shows the form; done is called once the cookie is set.
export function signIn(main, why, done) {
  const trouble = h('div', { class: 'troubles', role: 'alert' });
  const user = h('input', { id: 'user', name: 'username', autocomplete: 'username', required: true, autocapitalize: 'none', spellcheck: 'false' });
  const password = h('input', { id: 'password', name: 'password', type: 'password', autocomplete: 'current-password', required: true });
  const button = h('button', { class: 'main', type: 'submit' }, 'Sign in');
  const submit = async (event) => {
    event.preventDefault();
    if (button.getAttribute('aria-disabled') === 'true') return;
    button.setAttribute('aria-disabled', 'true');
    try {
      await post('/v1/login', { username: user.value, password: password.value });
      password.value = '';
      await done();
    } catch (error) {
      show(trouble, h('p', { class: 'notice error' }, error.status === 401 ? 'This name and password do not match.' : error.message));
      password.select();
    } finally {
      button.removeAttribute('aria-disabled');
    }
  };
  show(main, h('form', { class: 'card signin', onsubmit: submit },
    h('h1', { tabindex: '-1' }, 'Sign in to fraudcheck'), why ? notice('warn', why) : null, trouble,
    h('label', { for: 'user' }, 'User name'), user,
    h('label', { for: 'password' }, 'Password'), password, button));
  user.focus();
}
