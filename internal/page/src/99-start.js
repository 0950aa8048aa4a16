// The last script: everything is there.

start().catch((fault) => {
  document.querySelector('main').replaceChildren(el('p', { class: 'fault' }, sayFault(fault)));
});
